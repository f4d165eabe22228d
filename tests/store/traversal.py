"""Two hundred names that would lead out of a folder, or confuse who reads them, if they were put into a path."""

from __future__ import annotations

import itertools

_HEX = "ab" * 32

_SEPARATORS = ["/", "\\", "//", "/./", "%2f", "%252f", "%5c", "\uff0f", "\u2215", "\u2044", "\x00/", "/\x00"]
_CLIMBS = ["..", "...", "%2e%2e", "..;", ".. ", "\uff0e\uff0e", "..\x00", "~"]
_TARGETS = ["etc/passwd", "lineage.db"]

_CRAFTED = [
    "",
    ".",
    "..",
    "/",
    "/etc/passwd",
    "//etc/passwd",
    "file:///etc/passwd",
    "C:\\windows\\win.ini",
    "\\\\host\\share",
    "ab",
    "ab/",
    f"/{_HEX[:2]}/{_HEX[2:]}.table",
    f"../{_HEX[:2]}/{_HEX[2:]}.table",
    f"{_HEX[:2]}/../{_HEX[2:]}.table",
    f"{_HEX[:2]}/{_HEX[2:]}",
    f"{_HEX[:2]}/{_HEX[2:]}.",
    f"{_HEX[:2]}/{_HEX[2:]}..",
    f"{_HEX[:2]}/{_HEX[2:]}.table/",
    f"{_HEX[:2]}/{_HEX[2:]}.table/..",
    f"{_HEX[:2]}/{_HEX[2:]}.table\n",
    f"{_HEX[:2]}/{_HEX[2:]}.table\x00",
    f"{_HEX[:2]}/{_HEX[2:]}.table\x00.png",
    f"{_HEX[:2]}/{_HEX[2:]}.ta ble",
    f"{_HEX[:2]}/{_HEX[2:]}.t\u00e4ble",
    f"{_HEX[:2]}/{_HEX[2:]}/../../../lineage.db",
    f"{_HEX[:2]}//{_HEX[2:]}.table",
    f"{_HEX[:2]}\\{_HEX[2:]}.table",
    f"{_HEX[:2].upper()}/{_HEX[2:]}.table",
    f"{_HEX[:2]}/{_HEX[2:].upper()}.table",
    f"{_HEX[:2]}/{_HEX[2:-1]}.table",
    f"{_HEX[:2]}/{_HEX[2:]}a.table",
    f"{_HEX[:2]}/{_HEX[2:-1]}g.table",
    f" {_HEX[:2]}/{_HEX[2:]}.table",
    f"{_HEX[:2]}/{_HEX[2:]}.table ",
    f"\n{_HEX[:2]}/{_HEX[2:]}.table",
    "\uff41\uff42/" + _HEX[2:] + ".table",
    "\u0661\u0662/" + _HEX[2:] + ".table",
    f"{_HEX[:2]}/{_HEX[2:]}.{'a' * 300}",
    f"{_HEX[:2]}/{_HEX[2:]}.a.b.c.d",
    "-rf",
    "$(id)",
    "`id`",
    "|id",
    "a;b",
    "'; DROP TABLE artifact; --",
    "con",
    "nul.table",
    "\u202etable",
    "a" * 5_000,
]

TRAVERSALS: list[str] = [
    *_CRAFTED,
    *(
        climb + separator + (climb + separator) * repeat + target
        for climb, separator, target, repeat in itertools.product(_CLIMBS, _SEPARATORS, _TARGETS, (1,))
    ),
]
