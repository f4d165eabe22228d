"""What later commands say of accepted results, and of the champion that other code made."""

from __future__ import annotations

from tests.accepting.conftest import Shop
from tests.cli.test_json import validate

STEPS = "pipelines/shop.py"
CHALLENGED = """
import flowkit as fk


@fk.step
def train(n: int) -> dict[str, int]:
    return {"n": n}


@fk.step
def score(model: dict[str, int]) -> fk.Metrics:
    return fk.Metrics(accuracy=model["n"] / 10)


@fk.pipeline
def challenged(n: int = 1) -> None:
    model = train(n)
    fk.promote(
        model,
        to="challenged@champion",
        metrics=score(model),
        baseline=score(fk.champion("challenged", dict[str, int])),
        gates=[fk.no_worse_than("accuracy")],
    )
"""


def test_a_comparison_says_that_an_edit_was_accepted(ran: Shop) -> None:
    """The code of an accepted result is another one, but by a person's word, and not by a run of it."""
    ran.edit(STEPS, "strip(text) * scale", "scale * strip(text)")
    assert ran.accept("amounts", "--reason", "order").code == 0
    ran.run()
    text = ran.tell("diff", "last").out
    assert "pipelines.shop:amounts changed  (reached by amounts)" in text
    assert "    amounts: accepted by " in text
    compared = ran.tell("diff", "last", "--json").json()
    validate("diff", compared)
    (node,) = compared["nodes"]
    assert node["accepted"].endswith(": order")
    ran.run()
    assert "nothing differs" in ran.tell("diff", "last").out


def test_a_comparison_pairs_a_renamed_node_with_what_it_was(ran: Shop) -> None:
    """`accept --from` says that two names are one node: neither is new or gone, and their code is a diff."""
    ran.edit(STEPS, "def halves(", "def split(")
    ran.edit(STEPS, "    halves(numbers)", "    split(numbers)")
    assert ran.accept("split", "--from", "halves").code == 0
    ran.run()
    (node,) = ran.tell("diff", "last", "--json").json()["nodes"]
    assert (node["node"], node["former"], node["before"], node["after"]) == ("split", "halves", "executed", "reused")
    assert [change["kind"] for change in node["changes"]] == ["code"]
    assert "-def halves(" in node["changes"][0]["diff"]
    text = ran.tell("diff", "last").out
    assert "split  was called halves" in text
    assert "only in" not in text


def test_a_champion_takes_nothing_of_its_own(shop: Shop) -> None:
    """Another champion is another result of the node; what its training took and reached is the training's."""
    for n, code in (("1", '{"n": n}'), ("2", '{"n": n + 0}'), ("3", '{"n": 0 + n}')):
        (shop.root / "pipelines/challenged.py").write_text(CHALLENGED.replace('{"n": n}', code))
        assert shop.tell("run", "challenged", "--inline", "-p", f"n={n}").code == 0
    nodes = {node["node"]: node for node in shop.tell("diff", "last", "--json").json()["nodes"]}
    assert nodes["champion"]["changes"] == []
    assert [output["name"] for output in nodes["champion"]["outputs"]] == ["return"]
    assert nodes["train"]["changes"] != []
    for target in ("last", "challenged"):
        why = shop.tell("why", target, "champion", "--json").json()
        assert why["changes"] == []
        assert why["detail"].startswith("challenged:")


def test_several_acceptances_of_one_node_are_told_once(ran: Shop) -> None:
    """A model that rests on a node edited again and again says how often; without a reason the audit names the edit."""
    for before, after in (("text: str", "word: str"), ("word: str", "one: str"), ("one: str", "piece: str")):
        ran.edit("cleaning.py", f"({before})", f"({after})")
        ran.edit("cleaning.py", f"float({before[:-5]}.", f"float({after[:-5]}.")
        assert ran.accept("amounts").code == 0
    for words in (["models", "show", "shop"], ["models", "card", "shop"], ["lineage", "last:amounts"]):
        text = ran.tell(*words).out
        assert text.count("accepted by") == text.count(" 3 times, last at ") == 1
    assert len(ran.tell("models", "show", "shop", "--json").json()["models"][0]["accepted"]) == 3
    assert ran.tell("audit", "list").out.count("no reason given; code helper cleaning:strip") == 3
    assert "| python -O, as a level | 0 |" in ran.tell("models", "card", "shop").out
