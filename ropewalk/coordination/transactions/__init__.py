"""Transactions over keys of several partitions: parts that are all done, or none is."""
