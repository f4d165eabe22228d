"""What `accept` refuses, by the golden file that holds its words."""

from __future__ import annotations

from tests.errors.golden import Case

REFUSALS = tuple(
    Case(f"accept-{name}", command=f"accept shop {nodes} --yes")
    for name, nodes in (
        ("parameter", "amounts -p scale=2"),
        ("upstream", "total"),
        ("uncached", "clock"),
        ("registry", "promote"),
        ("former", "amounts --from amount"),
        ("environment", "zoned"),
        ("several", "zoned amounts clock"),
        ("new", "rate amounts"),
        ("reads", "amounts halves"),
    )
)
