"""Everything that ACH processing holds, beside the ledger that it moves money in.

Checked by: tests/payments/processing/test_properties.py
"""

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from ropewalk.core.codec import encode_value
from ropewalk.core.machine import Saved
from ropewalk.data.shelf import Shelf
from ropewalk.errors import invariant
from ropewalk.systems.payments.ach.columns import check_digit
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.processing.books import Holder, clearing_balances, lookup
from ropewalk.systems.payments.processing.directory import Directory
from ropewalk.systems.payments.processing.divided import DividedFiles
from ropewalk.systems.payments.processing.files import Files, credit_side, is_reserved
from ropewalk.systems.payments.processing.house import Caller, House
from ropewalk.systems.payments.processing.layouts import EntryState
from ropewalk.systems.payments.processing.limits import UPLOADS_MAX, Steps
from ropewalk.systems.payments.processing.uploads import Uploads
from ropewalk.systems.payments.processing.windows import Windows


class Notice(msgspec.Struct):
    """A notification of change: which entry it is about, and what its originator is to change."""

    file: int
    row: int
    change_code: str
    corrected_data: str
    time_ns: int
    refused_code: str = ""


class SentEntries(msgspec.Struct, frozen=True, array_like=True, tag="entries"):
    """Entries of a file that another shard settles: their rows, and which entries they reverse."""

    file: int
    rows: bytes
    reversed_by: bytes


class SentClaims(msgspec.Struct, frozen=True, array_like=True, tag="claims"):
    """Entries of a file that another shard judges."""

    file: int


class SentLeg(msgspec.Struct, frozen=True, array_like=True, tag="leg"):
    """A leg that another shard makes."""


Sent = SentEntries | SentClaims | SentLeg


class _SavedBetween(msgspec.Struct, frozen=True):
    """What a snapshot keeps of what goes between shards."""

    asked: int
    sent: list[tuple[int, Sent]]
    has_asked: bool
    house: House


class State:
    """The parts, and what is true between them.

    `sent` is what other shards were asked and have not answered, by the number of the question; `has_asked` says that
    the house was asked for a window that has not been opened; `house` is in use in one shard only.
    """

    def __init__(self, ledger: Ledger, shelf: Shelf, *, steps: Steps, caller: Caller) -> None:
        self.ledger = ledger
        self.steps = steps
        self.caller = caller
        self.place = caller.place
        self.house = House()
        self.has_asked = False
        self.sent: dict[int, Sent] = {}
        self._asked = 0
        self._homes: dict[int, int] = {}
        self.directory = Directory()
        self.files = Files(shelf)
        self.uploads = Uploads(shelf, "upload", files_max=UPLOADS_MAX)
        self.divided = DividedFiles(shelf)
        self.windows = Windows(shelf)
        self.notices: list[Notice] = []

    @property
    def is_alone(self) -> bool:
        """True if there are no other shards."""
        return self.place.partitions == 1

    def number_of(self, number: int) -> int:
        """The number of something here, as callers know it: no other shard has something with that number."""
        return number * self.place.partitions + self.place.partition

    def local(self, number: int) -> int:
        """The last number here that is, as callers know it, no larger; of what is here, what callers call so."""
        return (number - self.place.partition) // self.place.partitions

    def shard_of_institution(self, identification: int) -> int:
        """The shard of an institution, by the first eight digits of its routing number."""
        if identification not in self._homes:
            first = f"{identification:08}"
            self._homes[identification] = self.place.partition_of(f"{first}{check_digit(first)}")
        return self._homes[identification]

    def shards_of(self, identifications: NDArray[np.uint32]) -> NDArray[np.int64]:
        """The shard of each institution."""
        if self.is_alone:
            return np.zeros(identifications.size, "i8")
        known, places = np.unique(identifications, return_inverse=True)
        return np.array([self.shard_of_institution(each) for each in known.tolist()], "i8")[places.reshape(-1)]

    def are_elsewhere(self, identifications: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Which institutions are kept in another shard."""
        return np.asarray(self.shards_of(identifications) != self.place.partition)

    def keep_sent(self, sent: Sent) -> int:
        """Keep what is asked of another shard until it answers; return the number of the question."""
        self._asked += 1
        self.sent[self._asked] = sent
        return self._asked

    def save(self) -> Saved:
        """All of it but the ledger."""
        between = _SavedBetween(self._asked, list(self.sent.items()), self.has_asked, self.house)
        parts = {
            **self.directory.save(),
            **self.files.save(),
            **self.uploads.save(),
            **self.divided.save(),
            **self.windows.save(),
            "notices": encode_value(self.notices),
            "between": encode_value(between),
        }
        return Saved(parts, [*self.files.blobs(), *self._unread_blobs(), *self.windows.blobs()])

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Become what was saved."""
        self.directory.load(parts)
        self.files.load(parts)
        self.uploads.load(parts)
        self.divided.load(parts)
        self.windows.load(parts)
        self.notices = msgspec.msgpack.decode(parts["notices"], type=list[Notice])
        between = msgspec.msgpack.decode(parts["between"], type=_SavedBetween)
        self._asked, self.sent = between.asked, dict(between.sent)
        self.has_asked, self.house = between.has_asked, between.house

    def check(self) -> None:
        """Raise Bug if an entry or a cent is not accounted for."""
        for file in self.files:
            file.check()
        institutions = len(self.directory.institutions)
        self._check_reserved(institutions)
        if not self.is_alone:
            # What is owed between institutions of several shards is no one shard's to check: the house sees the sum.
            return
        owed = clearing_balances(self.ledger, institutions)
        invariant(int(owed.sum()) == 0, "what all institutions owe is what all are owed", owed=owed.tolist())
        if self.windows.current is None:
            invariant(not owed.any(), "between windows every clearing account is at zero", owed=owed.tolist())
        for window in self.windows.all[: self.windows.closed]:
            invariant(
                sum(position.net_cents for position in window.positions) == 0,
                "the net positions of a window sum to zero",
                window=window.number,
            )

    def _unread_blobs(self) -> list[str]:
        return [*self.uploads.blobs(), *self.divided.contents.blobs()]

    def _check_reserved(self, institutions: int) -> None:
        """What is pending on the clearing accounts is what entries have that wait for their window."""
        credits, debits = np.zeros(institutions, "i8"), np.zeros(institutions, "i8")
        for file in self.files:
            waiting = (file.state["state"] == EntryState.PENDING) & is_reserved(file.entries)
            entries = file.entries[waiting]
            odfi = file.batches["odfi"][entries["batch"]]
            is_credit = credit_side(entries)
            np.add.at(credits, odfi[is_credit], entries["amount_cents"][is_credit].astype("i8"))
            np.add.at(debits, odfi[~is_credit], entries["amount_cents"][~is_credit].astype("i8"))
        rows = lookup(self.ledger, Holder.CLEARING, np.arange(institutions))
        invariant(
            np.array_equal(rows["credits_pending_low"], credits)
            and np.array_equal(rows["debits_pending_low"], debits),
            "what is reserved is what waits for its window",
            credits=credits.tolist(),
            debits=debits.tolist(),
        )
