"""Card authorisation: ISO 8583 messages over TCP, and holds and postings in the ledger."""
