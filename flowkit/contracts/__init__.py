"""Contracts: the schemas that annotations put on tables at step borders. The only owner of pandera.

Nothing here imports pandera or a table library to *find* a contract: where no user module has imported them there can
be none. They are imported only where a table is validated or two contracts are compared, and are loaded by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowkit.lazy import lazy_names

if TYPE_CHECKING:
    from flowkit.contracts.border import Border as Border
    from flowkit.contracts.contract import Contract as Contract
    from flowkit.contracts.enforcement import contracts_in as contracts_in
    from flowkit.contracts.enforcement import enforce as enforce
    from flowkit.contracts.enforcement import must_enforce as must_enforce
    from flowkit.contracts.filtering import ColumnSelection as ColumnSelection
    from flowkit.contracts.filtering import Selections as Selections
    from flowkit.contracts.filtering import selections_in as selections_in
    from flowkit.contracts.hints import bare_type as bare_type
    from flowkit.contracts.hints import contract_of as contract_of
    from flowkit.contracts.hints import parts_of as parts_of
    from flowkit.contracts.loading import spare_dask as spare_dask
    from flowkit.contracts.structure import Mismatch as Mismatch
    from flowkit.contracts.structure import compare_contracts as compare_contracts
    from flowkit.contracts.structure import needs_validation as needs_validation

_MODULES = {
    "Border": "border",
    "ColumnSelection": "filtering",
    "Contract": "contract",
    "Mismatch": "structure",
    "Selections": "filtering",
    "bare_type": "hints",
    "compare_contracts": "structure",
    "contract_of": "hints",
    "contracts_in": "enforcement",
    "enforce": "enforcement",
    "must_enforce": "enforcement",
    "needs_validation": "structure",
    "parts_of": "hints",
    "selections_in": "filtering",
    "spare_dask": "loading",
}

__all__ = sorted(_MODULES)

# What validates and compares is imported where there is a contract.
__getattr__ = lazy_names(__name__, _MODULES)
