"""Payments and settlement: a double-entry ledger, ACH files, and the windows in which banks settle."""
