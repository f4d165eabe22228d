"""`models`: versions and the aliases that point to them; promote, roll back and retire by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from msgspec import to_builtins

from flowkit.cli import options
from flowkit.cli.completers import complete_alias, complete_model, complete_version
from flowkit.cli.lazy import SuggestingGroup
from flowkit.cli.looking import StoreView, open_store
from flowkit.cli.render.card import card_to_json, decision_to_json, write_card
from flowkit.cli.render.formats import format_moment, format_number, short
from flowkit.cli.render.output import print_json, print_table, tell, write_text
from flowkit.engine.dropped import telling_dropped
from flowkit.engine.origins import describe_acceptances
from flowkit.engine.provenance import current_user
from flowkit.engine.report import JSON_FORMAT
from flowkit.errors import UsageError
from flowkit.lineage.writer import LineageWriter
from flowkit.records import GateVerdict, Promotion
from flowkit.registry.byhand import promote_by_hand, retire, rollback
from flowkit.registry.card import make_card
from flowkit.registry.models import VersionDetails, list_aliases, list_models, resolve, show_version
from flowkit.registry.references import CHAMPION, ModelReference, parse_reference

_why = click.option("--why", default="", metavar="TEXT", help="Say why, for the audit log.")


@click.group(cls=SuggestingGroup, epilog=options.example("flowkit models show taxi"))
def models() -> None:
    """List, show, describe, promote and roll back model versions."""


@models.command("list", epilog=options.example("flowkit models list taxi"))
@click.argument("model", required=False, shell_complete=complete_model)
@options.looking_back
def list_(model: str | None, env: str | None, store: Path | None, as_json: bool) -> None:
    """List model versions with their state and the aliases that point to them; of one MODEL where it is named."""
    with open_store(env, store) as view:
        rows = list_models(view.reader, model)
        aliases: dict[tuple[str, int], list[str]] = {}
        for alias in list_aliases(view.reader, model):
            aliases.setdefault((alias.model, alias.version), []).append(alias.alias)
    if as_json:
        listed = [{**to_builtins(row), "aliases": aliases.get((row.model, row.version), [])} for row in rows]
        print_json({"format": JSON_FORMAT, "models": listed})
        return
    if not rows:
        tell("No model is registered yet; fk.promote() in a pipeline registers one.")
        return
    print_table(
        ("version", "alias", "state", "made", "run", "node", "artifact"),
        [
            (
                f"{row.model}:{row.version}",
                ", ".join(aliases.get((row.model, row.version), [])),
                row.state,
                format_moment(row.created),
                row.run,
                row.node,
                short(row.artifact),
            )
            for row in rows
        ],
    )


@models.command(epilog=options.example("flowkit models show taxi@champion", "flowkit models show taxi:7"))
@click.argument("model", shell_complete=complete_version)
@options.looking_back
def show(model: str, env: str | None, store: Path | None, as_json: bool) -> None:
    """Show a version: what made it, its metrics, and how each gate judged it.

    MODEL is taxi:7, taxi@champion, or taxi for its champion (its newest version where it has none).
    """
    with open_store(env, store) as view:
        found = show_version(view.reader, parse_reference(model))
    if as_json:
        print_json({"format": JSON_FORMAT, "models": [_details_to_json(found)]})
        return
    row = found.row
    aliases = "  ".join(f"@{alias}" for alias in found.aliases)
    tell(f"{row.model}:{row.version}  {row.state}  {aliases}".rstrip())
    tell(f"  made      {format_moment(row.created)}" + (f" by {row.node} in run {row.run}" if row.run else ""))
    tell(f"  artifact  {row.artifact}")
    for name, value in found.metrics.items():
        tell(f"  {name:<8}  {format_number(value)}")
    for node in dict.fromkeys(node for node, _ in found.accepted):
        told = describe_acceptances(acceptance for other, acceptance in found.accepted if other == node)
        tell(f"  rests on  {node}, whose code was edited since: {told}")
    for decision in found.decisions:
        _print_decision(decision)
    tell(f"look further: flowkit lineage {row.model}:{row.version}")


@models.command(epilog=options.example("flowkit models card taxi:7", "flowkit models card taxi@champion -o CARD.md"))
@click.argument("model")
@options.output_file
@options.looking_back
def card(model: str, output: Path | None, env: str | None, store: Path | None, as_json: bool) -> None:
    """Write a model card: all that is recorded of a version, in Markdown.

    State, aliases and who moved them, metrics, each gate's verdict, parameters, the files that went in with their
    digests, the steps with their code, the commit and the packages. MODEL is taxi:7, taxi@champion, or taxi for its
    champion.
    """
    with open_store(env, store) as view:
        found = make_card(view.reader, parse_reference(model))
    if as_json:
        print_json(card_to_json(found), output)
    elif output is not None:
        write_text(output, write_card(found))
    else:
        click.echo(write_card(found), nl=False)


@models.command(epilog=options.example("flowkit models promote taxi:7 --to champion --why 'wins in the field'"))
@click.argument("version", shell_complete=complete_version)
@click.option("--to", "alias", default=CHAMPION, show_default=True, metavar="ALIAS", help="The alias to move to it.")
@_why
@options.looking_back
def promote(version: str, alias: str, why: str, env: str | None, store: Path | None, as_json: bool) -> None:
    """Let an alias point to a version, whatever its gates said.

    VERSION is taxi:7. A version that was rolled back from, or retired, comes back by this.
    """
    reference = _require_version(version)
    with open_store(env, store) as view:
        row = resolve(view.reader, reference)
        with telling_dropped(view.reader), _open_writer(view) as writer:
            decision = promote_by_hand(writer, row.model, row.version, who=current_user(), why=why, alias=alias)
    if as_json:
        promoted = {"model": row.model, "version": row.version, "alias": alias, "moved": not decision.reused}
        print_json({"format": JSON_FORMAT, "models": [promoted]})
        return
    already = " already" if decision.reused else ""
    tell(f"{row.model}@{alias} points to version {row.version}{already}")


@models.command("rollback", epilog=options.example("flowkit models rollback taxi@champion --to 5"))
@click.argument("alias", shell_complete=complete_alias)
@click.option(
    "--to", type=click.IntRange(min=1), metavar="VERSION", help="Go back to this version instead of the one before."
)
@_why
@options.looking_back
def rollback_(alias: str, to: int | None, why: str, env: str | None, store: Path | None, as_json: bool) -> None:
    """Let an alias point to the version before, or to another.

    ALIAS is taxi@champion. No run promotes the version that it leaves again; `flowkit models promote` does.
    """
    reference = parse_reference(alias)
    if reference.version is not None:
        raise UsageError.for_other_reference(alias, "an alias", f"{reference.model}@{CHAMPION}")
    name = reference.alias or CHAMPION
    with open_store(env, store) as view, _open_writer(view) as writer:
        done = rollback(writer, reference.model, who=current_user(), why=why, alias=name, to=to)
    if as_json:
        moved = {"model": done.model, "alias": done.alias, "version": done.version, "earlier": done.earlier}
        print_json({"format": JSON_FORMAT, "models": [moved]})
        return
    tell(f"{done.model}@{done.alias} points to version {done.version} again, no longer to {done.earlier}")


@models.command("retire", epilog=options.example("flowkit models retire taxi:3 --why 'trained on a leaked column'"))
@click.argument("version", shell_complete=complete_version)
@_why
@options.looking_back
def retire_(version: str, why: str, env: str | None, store: Path | None, as_json: bool) -> None:
    """Take a version out of use: no run promotes it again.

    VERSION is taxi:3. One that an alias points to is not retired: roll back first.
    """
    reference = _require_version(version)
    with open_store(env, store) as view, _open_writer(view) as writer:
        changed = retire(writer, reference.model, reference.version or 0, who=current_user(), why=why)
    if as_json:
        retired = {"model": reference.model, "version": reference.version, "state": "retired", "changed": changed}
        print_json({"format": JSON_FORMAT, "models": [retired]})
        return
    tell(f"{reference} is retired" + ("" if changed else " already"))


def _open_writer(view: StoreView) -> LineageWriter:
    writer = LineageWriter(view.folder.database, present=view.folder.holds)
    try:
        writer.mark_crashed_runs()
    except BaseException:
        writer.close()
        raise
    return writer


def _require_version(text: str) -> ModelReference:
    reference = parse_reference(text)
    if reference.version is None:
        raise UsageError.for_other_reference(text, "a version of a model", f"{reference.model}:7")
    return reference


def _print_decision(decision: Promotion) -> None:
    verdict = "accepted" if decision.accepted else "refused"
    tell(f"  → @{decision.alias}  {verdict}" + (f": {decision.reason}" if decision.reason else ""))
    _print_gates(decision.verdicts)


def _print_gates(verdicts: tuple[GateVerdict, ...]) -> None:
    width = max((len(verdict.gate) for verdict in verdicts), default=0)
    for verdict in verdicts:
        note = f"  ({verdict.note})" if verdict.note else ""
        passed = "passed" if verdict.passed else "failed"
        tell(f"    {verdict.gate:<{width}}  {format_number(verdict.observed):>10}  {passed}{note}")


def _details_to_json(found: VersionDetails) -> dict[str, Any]:
    return {
        **to_builtins(found.row),
        "aliases": list(found.aliases),
        "metrics": found.metrics,
        "decisions": [decision_to_json(decision) for decision in found.decisions],
        "accepted": [{"node": node, **to_builtins(acceptance)} for node, acceptance in found.accepted],
    }
