"""The ledger: double-entry accounts and transfers, whose ids are unique for ever."""
