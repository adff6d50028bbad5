"""Choose, build and prove distributed systems.

What a first service needs is here; the rest is where `docs/` says.
"""

from ropewalk.core.effects import At, Publish, Replied, Send
from ropewalk.core.keyed import Applied, Entry
from ropewalk.data.reads import AtLeast, Stale, Strong
from ropewalk.runtime.config import open_engine
from ropewalk.runtime.node import open_node
from ropewalk.runtime.service import Service

__all__ = [
    "Applied",
    "At",
    "AtLeast",
    "Entry",
    "Publish",
    "Replied",
    "Send",
    "Service",
    "Stale",
    "Strong",
    "open_engine",
    "open_node",
]
