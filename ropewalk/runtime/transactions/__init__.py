"""Transactions over keys of several partitions, on a node."""
