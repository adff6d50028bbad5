"""ACH files: read, validate, write, merge and split files of the NACHA format, and build them from code.

reading = read(content)          # every problem, with line, record, field and code; totals
if reading.is_valid:
    for batch in reading.file.batches: ...
    write(reading.file) == content
"""

from ropewalk.systems.payments.ach.model import BATCH, ENTRY, Batch, Category, File, Reading, Record
from ropewalk.systems.payments.ach.problems import Code, Problem
from ropewalk.systems.payments.ach.reading import read, write

__all__ = ["BATCH", "ENTRY", "Batch", "Category", "Code", "File", "Problem", "Reading", "Record", "read", "write"]
