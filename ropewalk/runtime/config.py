"""From a URL to an engine: where a service keeps its logs.

    memory:          nothing survives the process
    sqlite:FOLDER    one machine; durable; one process at a time

Checked by: tests/runtime/test_node.py
"""

from pathlib import Path

from ropewalk.data.engine import Engine
from ropewalk.engines.memory import MemoryEngine
from ropewalk.engines.sqlite import SqliteEngine
from ropewalk.errors import Rejected


def open_engine(url: str) -> Engine:
    """Open the engine at `url`. Raises Rejected if there is none of that name, or if another process has it."""
    scheme, colon, place = url.partition(":")
    match scheme:
        case "memory" if colon:
            return MemoryEngine()
        case "sqlite" if place:
            return SqliteEngine(Path(place))
        case _:
            raise Rejected(f"no engine at {url!r}: use memory: or sqlite:FOLDER")
