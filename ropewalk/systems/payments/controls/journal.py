"""Who did what and why, for ever: the newest in memory, the others on the shelf.

An entry's place is its number in this shard, from 0. Nothing is ever changed or taken out.

Checked by: tests/payments/controls/test_journal.py
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import msgspec

from ropewalk.core.codec import encode_value
from ropewalk.data.shelf import Shelf
from ropewalk.systems.payments.controls.limits import JOURNAL_PIECE
from ropewalk.systems.payments.controls.messages import ControlView

NO_ACCOUNT = ("", "")


class Journal:
    """That of one shard."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._newest: list[ControlView] = []
        self._pieces = 0
        self._of_account: dict[tuple[str, str], list[int]] = {}

    def __len__(self) -> int:
        return self._pieces * JOURNAL_PIECE + len(self._newest)

    def add(self, entry: ControlView) -> None:
        """Keep an entry, behind all others."""
        about = (entry.routing, entry.account)
        if about != NO_ACCOUNT:
            self._of_account.setdefault(about, []).append(len(self))
        self._newest.append(entry)
        if len(self._newest) == JOURNAL_PIECE:
            self._shelf.put(_blob(self._pieces), encode_value(self._newest))
            self._pieces, self._newest = self._pieces + 1, []

    def listed(self, start: int, limit: int, *, about: tuple[str, str] = NO_ACCOUNT) -> list[ControlView]:
        """Entries from a place on, in order; only those about an account (routing and number), if one is named."""
        places: Sequence[int] = range(max(start, 0), len(self))
        if about != NO_ACCOUNT:
            places = [place for place in self._of_account.get(about, []) if place >= start]
        return list(islice(self._at(places), limit))

    def blobs(self) -> list[str]:
        """The names of what lies on the shelf."""
        return [_blob(piece) for piece in range(self._pieces)]

    def save(self) -> bytes:
        """The whole of it, but for what lies on the shelf."""
        return encode_value((self._newest, self._pieces, sorted(self._of_account.items())))

    def load(self, saved: bytes | memoryview) -> None:
        """Become what was saved; the blobs are on the shelf again."""
        kind = tuple[list[ControlView], int, list[tuple[tuple[str, str], list[int]]]]
        self._newest, self._pieces, of_account = msgspec.msgpack.decode(saved, type=kind)
        self._of_account = dict(of_account)

    def _at(self, places: Sequence[int]) -> Iterator[ControlView]:
        """The entries at rising places; each piece is read once."""
        read: Mapping[int, list[ControlView]] = {self._pieces: self._newest}
        for place in places:
            piece, row = divmod(place, JOURNAL_PIECE)
            if piece not in read:
                saved = self._shelf.get(_blob(piece))
                read = {self._pieces: self._newest, piece: msgspec.msgpack.decode(saved, type=list[ControlView])}
            yield read[piece][row]


def _blob(piece: int) -> str:
    return f"controls-{piece:08}.journal"
