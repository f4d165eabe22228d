"""Contracts: the schemas that annotations put on tables at step borders. The only owner of pandera.

Nothing here imports pandera or a table library to *find* a contract: where no user module has imported them there can
be none. They are imported only where a table is validated or two contracts are compared, and are loaded by then.
"""

from flowkit.contracts.border import Border
from flowkit.contracts.contract import Contract
from flowkit.contracts.enforce import contracts_in, enforce, must_enforce
from flowkit.contracts.filtering import ColumnSelection, Selections, selections_in
from flowkit.contracts.hints import bare_type, contract_of, parts_of
from flowkit.contracts.loading import spare_dask
from flowkit.contracts.structure import Mismatch, compare_contracts, needs_validation

__all__ = [
    "Border",
    "ColumnSelection",
    "Contract",
    "Mismatch",
    "Selections",
    "bare_type",
    "compare_contracts",
    "contract_of",
    "contracts_in",
    "enforce",
    "must_enforce",
    "needs_validation",
    "parts_of",
    "selections_in",
    "spare_dask",
]
