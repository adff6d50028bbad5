"""The bounds of controls, each with its reason.

Checked by: tests/payments/controls/test_controls.py
"""

from typing import Final

CONTROLS_MAX: Final = 100_000
"""Controls that a shard keeps with who and why: some 200 bytes each, and each snapshot holds all of them."""

TEXT_MAX: Final = 200
"""Characters of who and of why."""

LIMITED_MAX: Final = 10_000
"""Accounts of a shard with a limit: what they have spent today is counted row by row."""
