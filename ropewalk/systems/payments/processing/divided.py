"""Files with batches of institutions of several shards, from their submission until all shards have taken them in.

Checked by: tests/payments/processing/test_files_elsewhere.py
"""

from collections.abc import Mapping

import msgspec

from ropewalk.core.codec import encode_value
from ropewalk.data.shelf import Shelf
from ropewalk.systems.payments.processing.files import FileKey
from ropewalk.systems.payments.processing.limits import REFUSALS_KEPT
from ropewalk.systems.payments.processing.messages import FileError, FileRefused
from ropewalk.systems.payments.processing.uploads import Uploads


class Asked(msgspec.Struct):
    """A file at its home, in so many parts of so many bytes at most, and the shards that keep some of it besides.

    `waiting` are those that have not said what is asked of them: first whether they can take it in, and once it has a
    number here (`file`), which one it has there.
    """

    key: FileKey
    parts: int
    others: list[int]
    waiting: list[int]
    errors: list[FileError] = []
    errors_total: int = 0
    file: int = -1
    part_bytes: int = 0

    @property
    def bytes_on_their_way(self) -> int:
        """What others may not have taken in yet, at most: until the file is decided, one part for each."""
        return self.part_bytes * len(self.waiting) if self.file < 0 else 0


class _Saved(msgspec.Struct, frozen=True):
    asked: list[tuple[bytes, Asked]]
    held: list[tuple[bytes, FileKey]]
    refused: list[tuple[bytes, FileRefused]]


class DividedFiles:
    """Those that were submitted here (`asked`), and those of other homes that could be taken in here (`held`).

    All are named by their checksum; their bytes are in `contents`. `refused` are the answers to those submitted here
    that some shard had something against: the last ones.
    """

    def __init__(self, shelf: Shelf) -> None:
        self.contents = Uploads(shelf, "divided", files_max=None)
        self.asked: dict[bytes, Asked] = {}
        self.held: dict[bytes, FileKey] = {}
        self.refused: dict[bytes, FileRefused] = {}

    def __contains__(self, name: bytes) -> bool:
        """Whether a file with that checksum waits here for what other shards say."""
        return name in self.asked or name in self.held

    def has_named(self, key: FileKey) -> bool:
        """Whether a file with that key waits here."""
        return key in self.held.values() or any(each.key == key for each in self.asked.values())

    def refuse(self, name: bytes, answer: FileRefused) -> None:
        """Keep what is answered, for a while."""
        self.refused[name] = answer
        if len(self.refused) > REFUSALS_KEPT:
            del self.refused[next(iter(self.refused))]

    def forget(self, name: bytes) -> None:
        """Let go of a file that is taken in, or is not to be."""
        self.contents.forget(name)
        self.asked.pop(name, None)
        self.held.pop(name, None)

    def save(self) -> dict[str, bytes]:
        """The whole of it, but for what lies on the shelf."""
        saved = _Saved(list(self.asked.items()), list(self.held.items()), list(self.refused.items()))
        return {**self.contents.save(), "asked": encode_value(saved)}

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Become what was saved."""
        self.contents.load(parts)
        saved = msgspec.msgpack.decode(parts["asked"], type=_Saved)
        self.asked, self.held, self.refused = dict(saved.asked), dict(saved.held), dict(saved.refused)
