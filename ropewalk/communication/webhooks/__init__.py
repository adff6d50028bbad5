"""Webhooks: events for consumers outside, signed, retried, and listed when they can't be delivered. Pure."""
