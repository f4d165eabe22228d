"""What is measured, one module a kind of work, and all of it by name."""

from benchmarks.measure import Work
from benchmarks.works.columns import COLUMNS
from benchmarks.works.fingerprint import FINGERPRINT
from benchmarks.works.memory import MEMORY
from benchmarks.works.project import LOOK_UP, PROJECT
from benchmarks.works.reused import REUSED
from benchmarks.works.shapes import SHAPES
from benchmarks.works.start import HELP
from benchmarks.works.testing import TESTING

_ALL = (HELP, *SHAPES, REUSED, MEMORY, FINGERPRINT, PROJECT, LOOK_UP, COLUMNS, TESTING)
WORKS: dict[str, Work] = {work.name: work for work in _ALL}
