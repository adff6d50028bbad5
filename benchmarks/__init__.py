"""How fast Ropewalk is, measured as a user gets it: `make bench`.

Everything here runs through the real runtime over the SQLite engine with `synchronous=FULL`; nothing is switched off.
Each row is a module in `benchmarks.rows` with one function `run`, which gets a `Setting` and returns a `Result`. Each
runs in a process of its own, so that no row leaves memory, compiled code or threads to the next.
"""
