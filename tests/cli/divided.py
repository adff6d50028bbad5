"""A service with transactions for `ropewalk split` to find."""

from ropewalk.proving.workloads.accounts import bank

SERVICE = bank(2)
