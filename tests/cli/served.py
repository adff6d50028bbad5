"""A service for `ropewalk serve` to find."""

from tests.runtime.served import counters

SERVICE = counters()
