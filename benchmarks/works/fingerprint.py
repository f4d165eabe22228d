"""`fingerprint-400`: what the fingerprint of a step costs that reaches 400 functions over 8 modules.

The program tells CPU seconds of the first time in a process (`first`), of a later run in the same process (`again`),
and of parsing and compiling the same sources (`parse`), which proving that the source is what runs cannot go below.
"""

from benchmarks.measure import Limit, Variant, Work, python
from benchmarks.projects import write_functions

COUNT = 400

FINGERPRINT = Work(
    name="fingerprint-400",
    about="fingerprint of a step that reaches 400 functions, beside parsing and compiling their sources",
    variants=(
        Variant(
            "flowkit",
            lambda folder: python("fingerprinting.py"),
            lambda folder: write_functions(folder, COUNT),
        ),
    ),
    beside="flowkit",
    limits=(Limit("flowkit", most=0.5, figure="first"), Limit("flowkit", most=0.2, figure="again")),
)
