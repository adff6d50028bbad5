"""A service with transactions for `ropewalk split` to find."""

from tests.runtime.bank import bank

SERVICE = bank(2)
