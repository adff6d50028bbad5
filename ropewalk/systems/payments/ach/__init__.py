"""ACH files: read, validate, write, merge and split files of the NACHA format, and build them from code.

reading = read(content)          # every problem, with line, record, field and code; totals
if reading.is_valid:
    for batch in reading.file.batches: ...
    write(reading.file) == content
"""

from ropewalk.systems.payments.ach.building import BatchBuilder, build, header
from ropewalk.systems.payments.ach.combine import merge, split
from ropewalk.systems.payments.ach.model import BATCH, ENTRY, Batch, Category, File, Reading, Record
from ropewalk.systems.payments.ach.problems import Code, Problem
from ropewalk.systems.payments.ach.reading import read, write

__all__ = [
    "BATCH",
    "ENTRY",
    "Batch",
    "BatchBuilder",
    "Category",
    "Code",
    "File",
    "Problem",
    "Reading",
    "Record",
    "build",
    "header",
    "merge",
    "read",
    "split",
    "write",
]
