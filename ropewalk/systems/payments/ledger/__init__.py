"""The ledger: double-entry accounts and transfers, a million a second, unique for ever."""
