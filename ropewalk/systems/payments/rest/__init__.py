"""Payments over HTTP: the ledger, and ACH processing. `ropewalk.systems.payments.service` joins them."""
