"""`testing`: what a test of a pipeline of ten trivial steps costs over calling the steps.

The programs tell the seconds of one test (`test`), the median of twenty in a warm process; each makes a store
and removes it. Target: under 50 ms.
"""

from benchmarks.measure import Limit, Variant, Work, python

FLOWKIT = "flowkit.testing"

TESTING = Work(
    name="testing",
    about="a test of ten trivial steps in a store of its own, beside calling the steps",
    variants=(
        Variant("plain calls", lambda folder: python("with_tests.py", "plain")),
        Variant(FLOWKIT, lambda folder: python("with_tests.py", "flowkit")),
    ),
    beside="plain calls",
    limits=(Limit(FLOWKIT, most=0.05, figure="test"),),
)
