"""Accepting an edit: what it records, what it refuses, and what comes of it later."""

from __future__ import annotations

import shutil
import time

import pytest

from tests.accepting.conftest import Shop, executed
from tests.accepting.refusals import REFUSALS
from tests.cli.test_json import validate
from tests.errors.golden import compare, normalise

STEPS = "pipelines/shop.py"


def rename_variable(shop: Shop) -> None:
    """An edit that changes nothing: a helper's variable has another name."""
    shop.edit("cleaning.py", "def strip(text: str)", "def strip(word: str)")
    shop.edit("cleaning.py", "float(text.", "float(word.")


def test_an_accepted_edit_runs_nothing_and_says_so(ran: Shop) -> None:
    """The node and all after it are reused, from the run that made it; who accepted it, when and why is told."""
    rename_variable(ran)
    answer = ran.accept("amounts", "--reason", "a variable's name")
    assert answer.code == 0, answer.err
    assert '-    return float(text.lstrip("$")) * RATE' in answer.out
    nodes = ran.run()
    assert executed(nodes) == []
    assert nodes["amounts"]["outcome"] == "reused"
    assert nodes["amounts"]["from_run"] in answer.out
    (row,) = ran.audit()
    said = f"accepted by {row['who']} at {row['at']}: a variable's name"
    assert (row["subject"], row["evidence"]["reason"]) == ("shop/amounts", "a variable's name")
    assert row["evidence"]["changes"] == ["code helper cleaning:strip"]
    assert nodes["amounts"]["detail"] == said
    for target in ("shop", "last"):
        assert ran.tell("why", target, "amounts", "--json").json()["detail"] == said
    for words in (["lineage", "last:amounts"], ["models", "show", "shop"], ["models", "card", "shop"]):
        assert said in ran.tell(*words).out
        validate("-".join(words[:-1]), ran.tell(*words, "--json").json())
    assert ran.tell("audit", "verify").code == 0
    for _ in range(2):
        ran.run()
        since = [ran.tell("why", of, "amounts", "--json").json()["since"] for of in ("shop", "last")]
        assert since == [nodes["amounts"]["from_run"]] * 2
    assert ran.accept("amounts").out.startswith("nothing to accept: amounts")
    assert len(ran.audit()) == 1


def test_a_later_edit_is_compared_with_what_was_accepted(ran: Shop) -> None:
    """Its diff begins at the accepted code; what it changes runs, and going back needs nothing."""
    rename_variable(ran)
    ran.accept("amounts", "--reason", "words")
    ran.edit("cleaning.py", "RATE = 2", "RATE = 3")
    why = ran.tell("why", "shop", "amounts", "--json").json()
    assert [change["name"] for change in why["changes"]] == ["constant cleaning:RATE"]
    assert why["accepted"].endswith(": words")
    assert "accepted by" in ran.tell("why", "shop", "amounts").out
    nodes = ran.run()
    assert {"amounts", "total"} <= set(executed(nodes))
    recorded = ran.tell("why", "last", "amounts", "--json").json()
    assert [change["name"] for change in recorded["changes"]] == ["constant cleaning:RATE"]
    assert recorded["accepted"] == why["accepted"]
    ran.edit("cleaning.py", "RATE = 3", "RATE = 2")
    assert executed(ran.run()) == []


def test_force_takes_the_place_of_what_was_accepted(ran: Shop) -> None:
    """A forced run is the edited code's own result: it stands from then on, and nothing speaks of acceptance."""
    rename_variable(ran)
    ran.accept("amounts")
    forced = ran.run("--force", "amounts")
    assert forced["amounts"]["reason"] == "forced"
    nodes = ran.run()
    assert (nodes["amounts"]["outcome"], nodes["amounts"]["detail"]) == ("reused", None)
    assert nodes["amounts"]["from_run"] != forced["total"]["from_run"]


def test_a_wrong_word_is_found_out_when_the_edited_code_runs(ran: Shop) -> None:
    """An edit that was accepted and changes the result after all: its first run says so, not that it is unsteady."""
    ran.edit("cleaning.py", "RATE = 2", "RATE = 3")
    assert ran.accept("amounts").code == 0
    assert executed(ran.run()) == []
    forced = ran.tell("run", "shop", "--inline", "--force", "amounts", "--json").json()
    assert [warning for warning in forced["warnings"] if "accepted" in warning] == [
        "The edit of 'amounts' that was accepted changes its result: it gave another return than what was kept. The "
        "new one stands."
    ]
    assert not any("not deterministic" in warning for warning in forced["warnings"])


def test_an_edit_may_be_accepted_on_an_accepted_one(ran: Shop) -> None:
    """Each is compared with the one before; the run that made the result stays the same."""
    rename_variable(ran)
    ran.accept("amounts")
    ran.edit("cleaning.py", "def strip(word: str)", "def strip(piece: str)")
    ran.edit("cleaning.py", "float(word.", "float(piece.")
    again = ran.accept("amounts", "--json").json()
    validate("accept", again)
    (node,) = again["nodes"]
    assert "-def strip(word: str) -> float:" in node["changes"][0]["diff"]
    assert executed(ran.run()) == []
    validate("lineage", ran.tell("lineage", "last:amounts", "--json").json())
    (made,) = (row for row in ran.tell("lineage", "last:amounts", "--json").json()["nodes"] if row["node"] == "amounts")
    assert (made["run"], len(made["accepted"])) == (node["from_run"], 2)


def test_an_edit_is_accepted_for_every_parameter_that_ran(shop: Shop) -> None:
    """A sweep by -p: each of its results is kept, also those that are not of the latest run."""
    for scale in ("1", "2", "3"):
        shop.run("-p", f"scale={scale}")
    rename_variable(shop)
    for scale in ("1", "2"):
        assert shop.accept("amounts", "-p", f"scale={scale}").code == 0
        assert executed(shop.run("-p", f"scale={scale}")) == []
    refused = shop.accept("amounts", "-p", "scale=4")
    assert refused.code == 2
    assert "parameter has changed" in refused.err


def test_a_renamed_step_keeps_its_result(ran: Shop) -> None:
    """--from names what the node was called; what needs it is reused, and lineage tells the name it was made under."""
    ran.edit(STEPS, "def amounts(", "def prices(")
    ran.edit(STEPS, "= amounts(", "= prices(")
    assert "--from OLDNODE" in ran.accept("prices").err
    assert "never succeeded" in ran.accept("prices", "--from", "amount").err
    answer = ran.accept("prices", "--from", "amounts")
    assert answer.code == 0, answer.err
    assert "which was called amounts" in answer.out
    ran.edit(STEPS, "strip(text) * scale", "scale * strip(text)")
    assert "which was called" not in ran.accept("prices").out
    assert executed(ran.run()) == []
    made = ran.tell("lineage", "last:total", "--json").json()["nodes"][1]
    assert (made["node"], made["parameters"], len(made["accepted"])) == ("amounts", {"scale": "1.0"}, 2)
    assert ran.tell("artifact", "show", "last:prices", "--json").json()["artifacts"][0]["node"] == "amounts"
    ran.edit(STEPS, "scale * strip", "1 / scale * strip")
    assert executed(ran.run()) == ["prices"]


def test_all_elements_and_all_outputs_are_accepted(ran: Shop) -> None:
    """A mapped step's name means all of its elements, `train[0]` one; a step of several outputs keeps each of them."""
    ran.edit(STEPS, "sum(numbers) * by", "by * sum(numbers)")
    ran.edit(STEPS, "sum(numbers) / 2, len", "0.5 * sum(numbers), len")
    first = ran.accept("weigh[0]", "--json").json()
    assert [(node["node"], node["accepted"]) for node in first["nodes"]] == [("weigh[0]", True)]
    both = ran.accept("weigh", "halves", "--json").json()
    assert {node["node"]: node["accepted"] for node in both["nodes"]} == {
        "weigh[1]": True,
        "halves": True,
        "weigh[0]": False,
    }
    assert executed(ran.run()) == []
    ran.edit(STEPS, "def weigh(", "def scaled(")
    ran.edit(STEPS, "    weigh(numbers", "    scaled(numbers")
    assert len(ran.accept("scaled", "--from", "weigh", "--json").json()["nodes"]) == 2
    assert executed(ran.run()) == []


def test_nodes_in_a_row_are_accepted_together(ran: Shop) -> None:
    """What a node takes must be known: its edited producers are accepted with it, or named; a selection will do."""
    rename_variable(ran)
    ran.edit(
        STEPS, "return sum(numbers)\n\n\n@fk.step\ndef weigh", "return sum(list(numbers))\n\n\n@fk.step\ndef weigh"
    )
    refused = ran.accept("total")
    assert refused.code == 2
    assert "would run   amounts" in refused.err
    assert ran.audit() == []
    assert ran.accept("amounts+").code == 0
    assert executed(ran.run()) == []
    assert [row["subject"] for row in ran.audit()] == ["shop/amounts", "shop/total"]


def test_a_renamed_node_behind_an_edited_one_is_accepted_after_it(ran: Shop) -> None:
    """Each hint leads on: the edited producer first, then the renamed node alone, under its former name."""
    rename_variable(ran)
    ran.edit(STEPS, "def total(", "def whole(")
    ran.edit(STEPS, "    total(numbers)", "    whole(numbers)")
    refused = ran.accept("whole", "--from", "total")
    assert "`flowkit accept TARGET amounts`" in refused.err
    assert "`flowkit accept TARGET whole --from total`" in refused.err
    assert "the others first, without --from" in ran.accept("amounts", "whole", "--from", "total").err
    assert ran.accept("amounts").code == ran.accept("whole", "--from", "total").code == 0
    assert executed(ran.run()) == []


def test_what_is_downstream_of_an_uncached_step_is_accepted(ran: Shop) -> None:
    """A step that always runs stands as it last was, as for --select; other data later finds another key."""
    ran.edit(STEPS, 'f"{now} here"', 'str(now) + " here"')
    assert ran.accept("zoned").code == 0
    assert ran.run()["zoned"]["outcome"] == "reused"


def test_the_store_may_say_no(ran: Shop) -> None:
    """What is refused is refused whole: nothing is recorded of any node, and the others are named."""
    rename_variable(ran)
    ran.edit(STEPS, "def looked() -> str:\n    return Path", "def looked() -> str:\n    return 2 * Path")
    (ran.root / "notes.txt").write_text("another note")
    refused = ran.accept("amounts", "looked")
    assert refused.code == 2
    assert "what it read undeclared has changed" in refused.err
    assert "observed" in refused.err
    assert ran.audit() == []


def test_what_has_changed_besides_the_code_is_named(ran: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data, parameters, variables, lost, failed, uncached and new nodes are refused, each with its own remedy."""
    ran.edit(STEPS, "source.read_text().split()", "source.read_text().split(None)")
    (ran.root / "orders.txt").write_text("$1 $2")
    assert "an input has changed" in ran.accept("read").err
    (ran.root / "orders.txt").unlink()
    assert "cannot be compared" in ran.accept("read").err
    (ran.root / "orders.txt").write_text("$1 $2 $3")
    assert ran.accept("read").code == 0

    rename_variable(ran)
    changed = ran.accept("amounts", "-p", "scale=2").err
    assert "a parameter has changed" in changed
    assert "scale: 1.0 → 2.0" in changed

    ran.edit(STEPS, 'f"{now} here"', 'str(now) + " here"')
    monkeypatch.setenv("SHOP_ZONE", "there")
    assert "the environment has changed" in ran.accept("zoned").err
    monkeypatch.setenv("SHOP_ZONE", "here")
    assert ran.accept("zoned").code == 0

    assert "cache=False" in ran.accept("clock").err
    assert "asks the registry anew" in ran.accept("promote").err
    assert "No node is called" in ran.accept("nope").err
    assert "Only one node" in ran.accept("total", "read", "--from", "amounts").err
    assert [row["subject"] for row in ran.audit()] == ["shop/read", "shop/zoned"]


def test_an_edit_that_failed_is_not_accepted(ran: Shop) -> None:
    """The edited code ran with these inputs and gave nothing: it is not the same."""
    ran.edit(STEPS, "return sum(numbers)\n\n\n@fk.step\ndef weigh", "return 1 / 0\n\n\n@fk.step\ndef weigh")
    assert ran.tell("run", "shop", "--inline").code == 1
    assert "ran with these inputs, and failed" in ran.accept("total").err


@pytest.mark.slow
def test_a_lost_or_expired_result_is_not_accepted(shop: Shop) -> None:
    """There must be something to keep: artifacts that are there, and not older than max_age."""
    shop.edit(STEPS, "@fk.step\ndef total", '@fk.step(max_age="1s")\ndef total')
    shop.edit(STEPS, "return [strip(text)", "return 1000 * [strip(text)")
    shop.run()
    time.sleep(1.1)
    shop.edit(
        STEPS, "return sum(numbers)\n\n\n@fk.step\ndef weigh", "return sum(list(numbers))\n\n\n@fk.step\ndef weigh"
    )
    assert "older than max_age" in shop.accept("total").err
    rename_variable(shop)
    shutil.rmtree(shop.root / ".flowkit" / "blobs")
    (shop.root / ".flowkit" / "blobs").mkdir()
    assert "gone from the store" in shop.accept("amounts").err


def test_without_an_answer_nothing_is_recorded(ran: Shop) -> None:
    """No terminal and no --yes: the edit is shown, the exit code is 2; with --json --yes is needed too."""
    rename_variable(ran)
    asked = ran.tell("accept", "shop", "amounts")
    assert asked.code == 2
    assert "+def strip(word: str) -> float:" in asked.out
    assert "--yes" in asked.err
    assert ran.tell("accept", "shop", "amounts", "--json").json()["error"]["type"] == "AcceptanceError"
    assert ran.audit() == []


def test_there_is_nothing_to_accept_where_nothing_ran(shop: Shop) -> None:
    """Neither a store nor a result: it says so, and makes no store."""
    assert "never succeeded" in shop.accept("read").err
    assert not (shop.root / ".flowkit").exists()


def test_refusals_come_out_word_for_word(ran: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each says what has changed, since which run, and what to do; as the golden files have it."""
    rename_variable(ran)
    ran.edit(STEPS, 'f"{now} here"', 'str(now) + " here"')
    ran.edit(STEPS, "def score", "def rate")
    ran.edit(STEPS, "=score(", "=rate(")
    ran.edit(STEPS, "sum(numbers) / 2", 'sum(numbers) / int(os.getenv("PARTS", "2"))')
    monkeypatch.setenv("SHOP_ZONE", "there")
    for case in REFUSALS:
        answer = ran.tell(*case.command.split())
        compare(case, answer.code, normalise(answer.out + answer.err, ran.root))
