"""Instant payments: credit transfers that are final within seconds, with returns, recalls and status requests."""
