"""The bounds of controls, each with its reason.

Checked by: tests/payments/controls/test_controls.py
"""

from typing import Final

CONTROLS_MAX: Final = 1_000_000
"""Controls that a shard keeps with who and why: a hundred a day for 27 years. Memory holds a number of each."""

JOURNAL_PIECE: Final = 1_024
"""Controls that lie together on the shelf; no more than so many are in memory with their words."""

TEXT_MAX: Final = 200
"""Characters of who, of why and of a reference."""

REVERSALS_MAX: Final = 100
"""Reversals of one transfer, those that failed on their way to another shard included."""
