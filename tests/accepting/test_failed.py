"""What `accept` says of nodes whose edited code has failed, and of those after them."""

from __future__ import annotations

from tests.accepting.conftest import Shop

BROKEN = ("float(text.", "int(text + text.")


def test_an_edit_that_failed_is_to_be_mended(ran: Shop) -> None:
    """Neither it nor what needs it can be accepted; the advice leads to code that succeeded, where there is any."""
    ran.edit("cleaning.py", *BROKEN)
    ran.tell("run", "shop", "--inline")

    assert "go back to the code that succeeded" in ran.accept("amounts").err
    after = ran.accept("total")
    assert after.code == 2
    assert "'total' cannot be kept: what it takes is not known" in after.err
    assert "failed   amounts" in after.err
    assert "mend 'amounts' and run it first" in after.err
    assert "accept" not in after.err.partition("Hint:")[2]


def test_what_never_succeeded_has_no_code_to_go_back_to(shop: Shop) -> None:
    """A step whose every attempt failed is to be mended, and that is all there is to say."""
    shop.edit("cleaning.py", *BROKEN)
    shop.tell("run", "shop", "--inline")

    refused = shop.accept("amounts")

    assert refused.code == 2
    assert refused.err.endswith("Hint: mend it, and run it; it has never succeeded in this store.\n")
