"""Ropewalk: choose, build and prove distributed systems in Python."""
