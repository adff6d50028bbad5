"""Services that a process may send commands to: by their names, with what each of them takes.

A command that a service can't read would stop the partition that gets it. So it is looked at before it is sent, while
a refusal is still an answer.

Checked by: tests/coordination/test_neighbours.py
"""

from collections.abc import Mapping

import msgspec

from ropewalk.core.effects import Send
from ropewalk.core.place import Place
from ropewalk.errors import Rejected


class Call(msgspec.Struct, frozen=True):
    """A command for the partition of a key of a service. Bytes are for a service that reads its own."""

    service: str
    key: str
    command: msgspec.Struct | bytes


class Neighbour(msgspec.Struct, frozen=True):
    """A service: any place of it, and the types of commands that it takes; if there are none it takes bytes."""

    place: Place
    kinds: tuple[type, ...] = ()

    def takes(self, command: msgspec.Struct | bytes) -> bool:
        """True if it can read such a command."""
        return isinstance(command, self.kinds or bytes)


Neighbours = Mapping[str, Neighbour]


def refusal(neighbours: Neighbours, call: Call) -> str:
    """Why a call can't be sent; empty if it can."""
    neighbour = neighbours.get(call.service)
    if neighbour is None:
        return f"there is no service {call.service!r} here, but {', '.join(sorted(neighbours))}"
    if not neighbour.takes(call.command):
        expected = ", ".join(kind.__name__ for kind in neighbour.kinds) or "bytes"
        return f"{call.service} takes {expected}, and {type(call.command).__name__} was to be sent there"
    return ""


def send(neighbours: Neighbours, call: Call, *, tag: str) -> Send:
    """The effect that sends a call which is not refused; its reply comes back with the tag."""
    return Send(call.key, call.command, tag, at=place_of(neighbours, call.service))


def place_of(neighbours: Neighbours, service: str) -> Place:
    """Any place of a service. Raises Rejected if it is not here, which stops the partition that needs it."""
    neighbour = neighbours.get(service)
    if neighbour is None:
        raise Rejected(f"{service} takes part in what is under way and is not here: start the node with it again")
    return neighbour.place


def words_of(reply: object, *, chars_max: int) -> str:
    """A reply as people read it, cut to so many characters."""
    return (reply if isinstance(reply, str) else msgspec.json.encode(reply).decode())[:chars_max]
