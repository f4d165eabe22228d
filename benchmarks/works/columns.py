"""`columns`: what it saves to give a step two columns of a table of ten, with a million rows.

The program tells the CPU seconds of reading, validating and using the table (`seconds`), and by how many megabytes the
process's peak grew, mapped files included (`megabytes`).
"""

from benchmarks.measure import Limit, Variant, Work, python

WHOLE, PART = "the whole table", "its two columns"

COLUMNS = Work(
    name="columns",
    about="a table of ten columns handed to a step that takes two, beside handing over the whole of it",
    variants=(
        Variant(WHOLE, lambda folder: python("columns.py", "whole")),
        Variant(PART, lambda folder: python("columns.py", "part")),
    ),
    beside=WHOLE,
    limits=(
        Limit(PART, most=0.5, figure="seconds", beside=WHOLE),
        Limit(PART, most=0.5, figure="megabytes", beside=WHOLE),
    ),
)
