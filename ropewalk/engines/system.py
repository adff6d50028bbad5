"""The system's clock and randomness, for whoever takes them as arguments."""

import itertools
import os
import random
import time
from collections.abc import Callable


def now_ns() -> int:
    """Nanoseconds since 1970, UTC."""
    return time.time_ns()


def new_writer() -> bytes:
    """16 random bytes that name this process in the log."""
    return os.urandom(16)


def new_request_ids() -> Callable[[], bytes]:
    """A function that gives another 16 bytes at each call: 8 random ones of this process, and a count."""
    prefix = os.urandom(8)
    counter = itertools.count(1)
    return lambda: prefix + next(counter).to_bytes(8, "big")


def random_bytes(count: int) -> bytes:
    """So many random bytes, fit for a secret."""
    return os.urandom(count)


def random_below(bound: int) -> int:
    """A random whole number from 0, below `bound`: for delays that should not coincide, not for secrets."""
    return int(random.random() * bound)
