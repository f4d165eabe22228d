"""What is measured, one module a kind of work, and all of it by name."""

from benchmarks.measure import Work
from benchmarks.works.breast_cancer import BREAST_CANCER, BREAST_CANCER_REUSED
from benchmarks.works.columns import COLUMNS
from benchmarks.works.edited import EDITED_CHAIN
from benchmarks.works.fingerprint import FINGERPRINT
from benchmarks.works.lineage import LINEAGE, LINEAGE_SIZE
from benchmarks.works.plan import PLAN
from benchmarks.works.project import LOOK_UP, PROJECT
from benchmarks.works.reused import REUSED_SHAPES
from benchmarks.works.shapes import SHAPES
from benchmarks.works.start import HELP
from benchmarks.works.store import STORE_GET, STORE_PUT
from benchmarks.works.table import TABLE, TABLE_MEMORY, TABLE_REUSED
from benchmarks.works.testing import TESTING

_ALL = (
    *(HELP, PLAN),
    *SHAPES,
    *REUSED_SHAPES,
    EDITED_CHAIN,
    *(TABLE, TABLE_REUSED, TABLE_MEMORY),
    *(BREAST_CANCER, BREAST_CANCER_REUSED),
    *(STORE_PUT, STORE_GET),
    *(LINEAGE, LINEAGE_SIZE),
    *(FINGERPRINT, PROJECT, LOOK_UP, COLUMNS, TESTING),
)
WORKS: dict[str, Work] = {work.name: work for work in _ALL}
