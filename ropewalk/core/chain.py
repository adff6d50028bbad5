"""Which records count: each names the one it follows, and the first to follow counts.

An engine may append a record twice, late, or for two writers at once. So a precondition is decided when a record
is *read*, here, identically by every replica, and never when it is written, by an engine:

    position   1         2         3         4         5
    follows    0         1         1         2         4
               counts    counts    skipped   counts    counts      (3 follows 1, which 2 has followed already)

So repeating an append is always safe, and two leaders can never both succeed: what a deposed leader appends
follows a record that its successor's term record has followed already.

A link also carries the checksum of the record it follows, which makes the log an audit trail: nobody can change
a record that counted without every later one disagreeing.

Promise:    of the records that name the same predecessor at most one counts, and every replica picks the same.
Not given:  that a record counts because its append succeeded. Read it back, or see it land right behind the head.
Checked by: tests/core/test_chain.py, tests/core/test_chain_story.py, ropewalk.proving.world
"""

from typing import Final, NamedTuple, NewType

from ropewalk.errors import Damaged

Position = NewType("Position", int)
"""The place of a record in its log. Dense: the first is 1, and each record takes the next."""

START: Final = Position(0)
"""The place before the first record."""

NO_CHECKSUM: Final = bytes(16)
"""What the first record of a log names as the checksum of the record it follows."""


class Head(NamedTuple):
    """The last record that counted."""

    position: Position = START
    checksum: bytes = NO_CHECKSUM


class Link(NamedTuple):
    """What the chain looks at in a record."""

    position: Position
    checksum: bytes
    follows: Head


def follow(head: Head, link: Link) -> Head | None:
    """Return the new head if `link` counts, and None if it is skipped.

    Raises Damaged if it follows the head's position but not the head's content: then one of the two was changed.
    """
    if link.follows.position != head.position:
        return None
    if link.follows.checksum != head.checksum:
        raise Damaged(
            f"the record at position {link.position} was written after another record at {head.position}: "
            f"it names checksum {link.follows.checksum.hex()}, and what is stored has {head.checksum.hex()}. "
            "One of them was changed after it was written: restore this log from a replica or a backup."
        )
    return Head(link.position, link.checksum)
