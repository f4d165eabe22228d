"""Each rule of the language is shown by an example that is run, and proven by a test of its own."""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import dataclass
from functools import cache

import pytest

import flowkit
from flowkit.records import StepOptions

from .blocks import ROOT, blocks_of
from .test_documents import RUN

ERRORS = ROOT / "docs" / "reference" / "errors.md"
"""Its texts are compared with what really is told elsewhere, so they count as run."""


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        shown: A document below docs/ and a text within one of its blocks.
        proven: The tests, as `file::function` below tests/.
    """

    says: str
    shown: tuple[str, str]
    proven: tuple[str, ...]

    def __str__(self) -> str:
        return self.says


def rule(says: str, document: str, text: str, *proven: str) -> Rule:
    """Return a rule of the table."""
    return Rule(says, (document, text), proven)


LANGUAGE = "reference/language.md"
CALLS = "authoring/test_steps.py::"
HANDLES = "authoring/test_handles.py::"
ENGINE = "engine/test_runs.py::"
LISTS = "engine/test_run_time_lists.py::"
RUNS = "test_language.py::"
LIMITS = "journeys/test_resources.py::"

RULES = (
    # A step is a function.
    rule(
        "a step is just called outside of a pipeline",
        LANGUAGE,
        'assert count(["a", "b", "a"], least=2)',
        CALLS + "test_a_step_outside_of_a_pipeline_just_calls_the_function",
    ),
    rule(
        "a plain test calls a step",
        "how-to/testing.md",
        "def test_an_inch_is_an_inch",
        CALLS + "test_a_step_outside_of_a_pipeline_just_calls_the_function",
    ),
    rule(
        "a pipeline is run in a test",
        "how-to/testing.md",
        "flowkit_run(rain)",
        "testing/test_runs.py::test_the_fixture_runs_gives_and_refuses_as_documented",
    ),
    rule(
        "steps are defined and edited in a notebook",
        "how-to/notebook.md",
        'assert run["numbers"].outcome == "reused"',
        "journeys/test_notebook.py::test_editing_a_cell_runs_only_what_changed",
    ),
    rule(
        "every parameter and return value is annotated",
        "reference/errors.md",
        "has no annotation for parameter",
        CALLS + "test_what_cannot_be_a_step_is_refused_by_name",
        CALLS + "test_an_annotation_only_for_type_checkers_is_refused",
    ),
    rule("`.named` names a call", LANGUAGE, 'total.named("evens")', CALLS + "test_calls_are_named_after_their_step"),
    # A pipeline builds a graph.
    rule(
        "parameters are real values that shape the graph",
        LANGUAGE,
        "    if same:",
        RUNS + "test_a_pipeline_in_a_pipeline_runs_as_one",
        HANDLES + "test_a_pipelines_parameters_are_real_values_and_are_checked",
    ),
    rule(
        "a handle is no value",
        LANGUAGE,
        "cannot be used as a condition",
        HANDLES + "test_a_handle_used_as_a_value_is_an_error_that_says_what_to_do",
    ),
    rule(
        "handles stand in containers",
        LANGUAGE,
        "total([measure(first).most",
        RUNS + "test_handles_in_containers_become_values",
    ),
    rule(
        "a pipeline in a pipeline adds its nodes and returns handles",
        LANGUAGE,
        'essay("a rose is a rose")',
        RUNS + "test_a_pipeline_in_a_pipeline_runs_as_one",
        HANDLES + "test_a_pipeline_called_elsewhere_names_run",
    ),
    rule(
        "a cycle is an error with its path",
        "reference/errors.md",
        "has a cycle",
        HANDLES + "test_a_pipeline_that_needs_itself_is_a_cycle_with_its_path",
    ),
    rule(
        "unknown arguments are refused",
        "reference/errors.md",
        "has no parameter 'rowz'",
        CALLS + "test_an_unknown_argument_comes_with_the_nearest_name",
        CALLS + "test_a_call_that_does_not_bind_is_refused",
    ),
    # Types and contracts.
    rule(
        "an edge must fit", "reference/errors.md", "given       str", "graph/test_typecheck.py::test_an_edge_is_judged"
    ),
    rule(
        "edges compare contracts by structure",
        LANGUAGE,
        "missing     tip",
        "contracts/test_contract_structure.py::test_columns_are_compared",
        "graph/test_typecheck.py::test_a_contract_error_names_the_columns",
    ),
    rule(
        "a value is validated where it is produced",
        "reference/errors.md",
        "breaks the contract Trip",
        "errors/test_data.py::test_a_data_error_reads_as_its_golden_file",
        "contracts/test_contract_validation.py::test_what_validate_returns_is_kept",
    ),
    rule(
        "a contract is written in pandera's way too",
        LANGUAGE,
        "-> DataFrame[Trip]:",
        RUNS + "test_one_table_is_seen_through_each_library",
    ),
    rule(
        "`as_type`: pyarrow",
        LANGUAGE,
        "fk.as_type(convert(load(), RATES), pa.Table)",
        RUNS + "test_one_table_is_seen_through_each_library",
    ),
    rule(
        "`as_type`: polars and pandas",
        "how-to/polars.md",
        "fk.as_type(priced, pd.DataFrame)",
        RUNS + "test_one_table_is_seen_through_each_library",
        "graph/test_typecheck.py::test_another_table_library_comes_with_the_remedy",
    ),
    rule(
        "only the columns that a contract keeps count",
        "explanation/cache.md",
        'strict = "filter"',
        "engine/test_columns.py::test_only_what_sees_a_changed_column_runs",
        "journeys/test_columns.py::test_an_edit_of_one_column_runs_who_takes_it",
        "codecs/test_tables_seen.py::test_the_hand_over_makes_the_same_of_the_part_as_of_the_whole",
    ),
    rule("a table is an argument", LANGUAGE, "RATES = pd.DataFrame(", RUNS + "test_a_table_may_be_an_argument"),
    # Several outputs.
    *(
        rule(
            f"several outputs: a {kind}",
            LANGUAGE,
            text,
            RUNS + "test_a_change_in_one_output_spares_the_consumers_of_the_others",
        )
        for kind, text in (
            ("tuple", "-> tuple[list[int], list[int]]"),
            ("NamedTuple", "class Parts(NamedTuple)"),
            ("dataclass", "@dataclass\nclass Range"),
        )
    ),
    # Paths.
    rule(
        "a file counts by its content",
        LANGUAGE,
        'notes: Path = Path("notes.txt")',
        RUNS + "test_files_in_containers_and_folders_count_by_content",
    ),
    rule(
        "a folder counts by its tree",
        "how-to/images.md",
        "touch images/*.png",
        "fingerprint/test_files.py::test_every_change_in_a_folder_counts",
    ),
    rule(
        "a path in a container counts",
        LANGUAGE,
        'bind({"front": render(title)',
        RUNS + "test_files_in_containers_and_folders_count_by_content",
        "journeys/test_path_arguments.py::test_a_path_in_any_container_counts_by_the_content_below_the_root",
    ),
    rule(
        "a file and a folder are results",
        LANGUAGE,
        'page = fk.scratch() / "page.html"',
        RUNS + "test_files_in_containers_and_folders_count_by_content",
        "execution/test_inline.py::test_scratch_is_fresh_and_a_returned_path_in_it_is_kept",
    ),
    rule(
        "a path by `-p` starts in the current folder",
        LANGUAGE,
        "(cd book && flowkit run",
        "test_parameters.py::test_a_path_starts_in_the_current_folder",
    ),
    # Fan-out.
    rule("`each` and `collect`", LANGUAGE, "fk.collect(double(power(", HANDLES + "test_collect_takes_what_is_mapped"),
    rule(
        "a mapped value maps further steps",
        LANGUAGE,
        "double[2]  skipped",
        HANDLES + "test_one_each_stays_aligned_and_a_mapped_value_maps_on",
    ),
    rule(
        "`each` of a list that a step returns",
        LANGUAGE,
        "files = fk.each(find(folder))",
        LISTS + "test_a_list_that_grew_by_one_runs_one_element",
        "journeys/test_run_time_lists.py::test_a_folder_that_grows_and_shrinks",
    ),
    rule(
        "one `each` used twice stays aligned",
        LANGUAGE,
        "describe(files, words(files))",
        HANDLES + "test_one_each_stays_aligned_and_a_mapped_value_maps_on",
        LISTS + "test_what_a_shape_gives",
    ),
    rule(
        "a product is a `for` around an `each`",
        "how-to/sweep-and-folds.md",
        "for number in range(folds):",
        HANDLES + "test_a_product_is_a_for_around_an_each",
        HANDLES + "test_two_different_each_in_a_call_are_refused",
    ),
    rule(
        "elements with one key run once",
        "how-to/sweep-and-folds.md",
        "7 executed, 29 reused",
        ENGINE + "test_nodes_with_one_key_run_once",
    ),
    rule(
        "`collect` leaves skipped elements out",
        LANGUAGE,
        "power[2]  skipped",
        ENGINE + "test_skip_leaves_out_elements_and_gives_none_where_it_is_admitted",
        HANDLES + "test_collect_of_none_is_an_empty_list",
        LISTS + "test_a_failed_element_blocks_what_gathers_it",
    ),
    # Skipping.
    rule(
        "`Skip` skips the node and what needs it",
        LANGUAGE,
        "raise fk.Skip(f",
        ENGINE + "test_skip_leaves_out_elements_and_gives_none_where_it_is_admitted",
    ),
    rule(
        "who admits None gets it from a skipped producer",
        LANGUAGE,
        "text: str | None",
        ENGINE + "test_skip_leaves_out_elements_and_gives_none_where_it_is_admitted",
    ),
    # What counts.
    rule(
        "`cache=False` is the idiom for a watermark",
        LANGUAGE,
        "last_number  executed  <1 ms  (uncached",
        ENGINE + "test_uncached_and_expired_nodes_run_again_and_their_consumers_do_not",
    ),
    rule(
        "`max_age=` reruns when older",
        "how-to/sql-source.md",
        '@fk.step(max_age="6h")',
        ENGINE + "test_uncached_and_expired_nodes_run_again_and_their_consumers_do_not",
    ),
    rule("`version=` forgets results", LANGUAGE, 'version="2"', RUNS + "test_another_version_forgets_results"),
    rule(
        "`env=` declares variables that count",
        LANGUAGE,
        "(environment: variable TZ changed)",
        RUNS + "test_a_declared_variable_counts",
    ),
    rule(
        "`Untracked` does not count",
        LANGUAGE,
        "jobs: fk.Untracked[int] = 1",
        RUNS + "test_an_untracked_parameter_does_not_count",
    ),
    rule(
        "`network=True` says that arguments decide",
        "how-to/sql-source.md",
        "@fk.step(network=True",
        "journeys/test_observed.py::test_a_cached_step_that_asks_the_network_is_warned_about_once",
    ),
    rule(
        "`tags=` are for selecting",
        "how-to/choose-what-runs.md",
        "--select tag:report",
        "graph/test_select.py::test_each_form_selects_what_dbt_would",
    ),
    # Attempts.
    *(
        rule(
            f"`{option}=`: further attempts",
            LANGUAGE,
            f"{option}=",
            ENGINE + "test_an_attempt_is_repeated_with_its_retries",
        )
        for option in ("retries", "retry_delay", "backoff")
    ),
    rule(
        "`timeout=` kills an attempt",
        LANGUAGE,
        "exceeded its timeout of 1 s and was killed",
        "execution/test_hosts.py::test_a_step_that_takes_its_host_down_is_named_and_nobody_else_pays",
    ),
    rule(
        "`memory=` limits an attempt",
        "how-to/retries-and-timeouts.md",
        "exceeded 600 MB of memory",
        "execution/test_hosts.py::test_a_step_that_takes_its_host_down_is_named_and_nobody_else_pays",
    ),
    rule(
        "`cpus=` are slots",
        "how-to/parallel-steps.md",
        "needs      2 cpus",
        LIMITS + "test_cpus_are_slots",
        LIMITS + "test_threads_are_the_cpus_of_the_step_and_pools_work",
    ),
    rule(
        "`resources=` are shared by as many as there are",
        "how-to/parallel-steps.md",
        'resources={"licence": 1}',
        LIMITS + "test_a_resource_is_shared_by_as_many_as_there_are",
    ),
    rule(
        "`checkpoints` outlive the attempt and the run",
        "how-to/checkpoints.md",
        "folder = fk.checkpoints()",
        "journeys/test_checkpoints.py::test_a_killed_step_goes_on_where_it_was",
    ),
    rule(
        "`scratch` is fresh for every attempt",
        LANGUAGE,
        "fk.scratch()",
        "execution/test_inline.py::test_scratch_is_fresh_and_a_returned_path_in_it_is_kept",
    ),
    # Special parameters and values.
    rule(
        "`Secret`: only the name is recorded",
        LANGUAGE,
        'fk.Secret("PASS_WORD")',
        "journeys/test_secrets.py::test_a_secret_is_nowhere_after_an_inline_run",
    ),
    rule(
        "`Secret.of` is for plain calls",
        "how-to/secrets.md",
        'fk.Secret.of("sqlite://")',
        "authoring/test_secrets.py::test_given_secrets_are_for_plain_calls",
    ),
    rule(
        "`Interval` by `-p`",
        LANGUAGE,
        "-p interval=2026-03-01",
        "test_parameter_mistakes.py::test_an_interval_is_given_recorded_and_repeated",
        RUNS + "test_an_interval_is_an_ordinary_parameter",
    ),
    *(
        rule(f"`{option}=` of a pipeline", LANGUAGE, text, f"authoring/test_intervals.py::{test}")
        for option, text, test in (
            ("schedule", 'schedule="0 6 * * *"', "test_a_schedule_is_checked_where_it_is_declared"),
            ("timezone", 'timezone="Europe/Berlin"', "test_a_pipeline_keeps_its_schedule"),
            ("catchup", 'catchup="latest"', "test_a_pipeline_keeps_its_schedule"),
            ("overlap", 'overlap="skip"', "test_a_pipeline_keeps_its_schedule"),
        )
    ),
    rule(
        "`codec` for a class",
        "how-to/custom-codec.md",
        "@fk.codec(",
        "codecs/test_custom.py::test_a_value_goes_through_its_codec",
    ),
    rule("`Metrics` is a mapping", "how-to/images.md", "fk.Metrics(accuracy=", RUNS + "test_metrics_are_a_mapping"),
    # Promotion.
    *(
        rule(f"`{name}`", document, text, f"registry/{test}")
        for name, document, text, test in (
            (
                "promote",
                "tutorial/first-model.md",
                "fk.promote(",
                "test_promote.py::test_a_first_candidate_that_passes_becomes_the_champion",
            ),
            (
                "champion",
                "tutorial/first-model.md",
                "fk.champion(",
                "test_promote.py::test_the_baseline_on_the_same_rows_counts_before_the_record",
            ),
            ("at_least", "tutorial/first-model.md", "fk.at_least(", "test_gates.py::test_verdicts"),
            ("at_most", "how-to/ci.md", "fk.at_most(", "test_gates.py::test_verdicts"),
            (
                "no_worse_than",
                "tutorial/first-model.md",
                "fk.no_worse_than(",
                "test_gates.py::test_a_tolerance_means_what_it_says_on_paper",
            ),
        )
    ),
    # From Python.
    rule(
        "`Session` stays warm",
        LANGUAGE,
        "with fk.Session(inline=True)",
        "test_session.py::test_workers_stay_warm_between_runs",
    ),
    rule(
        "`run` uses a session of the process",
        "how-to/migrate-from-notebook.md",
        "fk.run(",
        "journeys/test_notebook.py::test_a_failed_cell_says_why_and_the_next_edit_mends_it",
    ),
    rule(
        "a failed run is returned",
        LANGUAGE,
        'assert (run.status, run["ask"].outcome)',
        "test_session.py::test_a_failed_run_is_returned_and_reopened",
    ),
    rule(
        "`Run`: a mapped step has lists",
        LANGUAGE,
        '["reused", "reused", "skipped"]',
        LISTS + "test_a_reopened_run_has_its_elements",
    ),
    rule(
        "`Session.last` reopens a run",
        LANGUAGE,
        "fk.Session.last(parts)",
        "test_session.py::test_a_run_is_reopened_from_its_record",
    ),
)

OTHERWISE = frozenset({"__version__", "FlowkitError", "Promotion", "pipeline", "step"})
"""Public names that are no rule of their own: every example has them, or they only hold what a run tells."""


@cache
def functions(file: str) -> frozenset[str]:
    """Return the names of a test file's functions."""
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("one", RULES, ids=str)
def test_a_rule_is_shown_and_proven(one: Rule) -> None:
    """The example stands in a block that is run, and each of the tests is there."""
    document, text = one.shown
    path = ROOT / "docs" / document
    assert path in {*RUN, ERRORS}
    assert text
    assert any(text in block.text for block in blocks_of(path) if block.reason is None), f"{document} has no {text!r}"
    for test in one.proven:
        file, _, name = test.partition("::")
        assert name in functions(file), test
    assert one.proven


def test_every_option_and_public_name_has_a_rule() -> None:
    """Nothing that an author may write is left out of the table."""
    told = {word for one in RULES for code in re.findall(r"`([^`]+)`", one.says) for word in re.findall(r"\w+", code)}
    options = set(StepOptions.__struct_fields__) | (
        set(inspect.signature(flowkit.pipeline).parameters) - {"function", "name"}
    )
    assert sorted(options - told) == []
    assert sorted(set(flowkit.__all__) - OTHERWISE - told) == []
