"""The rows of the table, in the order in which they run: the yardsticks first."""

from typing import Final

ROWS: Final[dict[str, float]] = {
    "disk": 60.0,
    "postgresql": 150.0,
    "keyed": 60.0,
}
"""A row's module, and the seconds after which it is given up."""
