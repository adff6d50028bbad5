"""The bounds of ACH files, each with its reason.

Checked by: tests/payments/ach/test_combine.py, test_properties.py, tests/cli/test_ach_validate.py
"""

from typing import Final

PROBLEMS_MAX: Final = 1_000
"""Problems of each severity that one reading names: one that is wrong in more places is not worth a longer list."""

LINES_MAX: Final = 10_000
"""Lines of a file that merging and splitting make, its last block filled: what operators take in one file."""

FILE_BYTES_MAX: Final = 2**31
"""A file to read, unpacked: 22 million records. It keeps a small compressed file from filling the memory."""
