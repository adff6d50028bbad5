"""Choose, build and prove distributed systems.

What a first service needs is here; the rest is where `docs/` says.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ropewalk.core.effects import At, Publish, Replied, Send
    from ropewalk.core.keyed import Applied, Entry
    from ropewalk.data.reads import AtLeast, Stale, Strong
    from ropewalk.runtime.config import open_engine
    from ropewalk.runtime.node import open_node
    from ropewalk.runtime.service import Service
else:
    # Imported when they are asked for: the command line begins with this file, and needs none of them to start.
    _PLACES = {
        "ropewalk.core.effects": ("At", "Publish", "Replied", "Send"),
        "ropewalk.core.keyed": ("Applied", "Entry"),
        "ropewalk.data.reads": ("AtLeast", "Stale", "Strong"),
        "ropewalk.runtime.config": ("open_engine",),
        "ropewalk.runtime.node": ("open_node",),
        "ropewalk.runtime.service": ("Service",),
    }

    def __getattr__(name: str) -> object:
        from importlib import import_module

        for place, names in _PLACES.items():
            if name in names:
                return getattr(import_module(place), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return [*globals(), *__all__]


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
