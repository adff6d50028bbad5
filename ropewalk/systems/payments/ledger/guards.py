"""Guards: what an account's keeper allows beside its balance. A freeze of either side, and a limit to its debits.

A guard is for one account and is looked for by its slot; an account without one costs one look, and a ledger without
any not even that. What a guard refuses, and how it counts, is compiled (`watch`).

    limit    so much at once; so much, and so many, in any window of time
    freeze   no debits, no credits, or neither; what is held for another shard is posted all the same

A window is rolling, in 24 pieces: it costs the same memory and time for ever, and unlike a counter that begins anew
at midnight it lets nobody have two days' worth around it. The price is that a debit counts up to a piece too long.

Promise:    a limit counts from the moment it is set, and goes on counting when only its numbers change.
Checked by: tests/payments/ledger/test_guards.py, test_properties.py (against the oracle)
"""

from enum import IntFlag
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from ropewalk.errors import NotAccepted, invariant
from ropewalk.systems.payments.ledger.layout import WIDE_MAX, Rows, TransferFlags, join, split
from ropewalk.systems.payments.ledger.limits import GUARDS_MAX
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from ropewalk.systems.payments.ledger.watch import (
    AMOUNT,
    AMOUNT_MAX,
    COUNT,
    COUNT_MAX,
    FROZEN,
    GUARD_WORDS,
    PIECE,
    PIECE_NS,
    PIECE_WORDS,
    PIECES,
    RING,
    SINCE,
    TRANSFER_MAX,
    Watch,
)

SECOND_NS: Final = 1_000_000_000

_RESOLVES: Final = np.uint16(TransferFlags.POST_PENDING_TRANSFER | TransferFlags.VOID_PENDING_TRANSFER)
_COUNT_MAX: Final = 2**64 - 1
_BATCH_NS: Final = 1_000_000
"""How far before a batch's time the timestamps of its transfers may begin: they are a nanosecond apart."""


class Sides(IntFlag):
    """Which sides of an account."""

    DEBITS = 1
    CREDITS = 2


NEITHER: Final = Sides(0)
SIDES: Final = {"none": NEITHER, "debits": Sides.DEBITS, "credits": Sides.CREDITS, "both": Sides(3)}
"""As callers name them."""

NAMES_OF_SIDES: Final = {sides: name for name, sides in SIDES.items()}


class Limit(msgspec.Struct, frozen=True):
    """What debits of an account may be; None is as much as it likes. Without a window nothing is counted."""

    transfer_max: int | None = None
    window_s: int = 0
    amount_max: int | None = None
    count_max: int | None = None


class Room(NamedTuple):
    """The most that may be debited at once now, and what stands against more."""

    amount: int
    against: TransferStatus


class Guards:
    """Those of one ledger."""

    def __init__(self) -> None:
        self._slots: list[int] = []
        self._watch = Watch(np.zeros(0, "i4"), np.zeros((0, GUARD_WORDS), "u8"))

    @property
    def in_use(self) -> Watch | None:
        """What compiled code sees; None if there are none: for that it is compiled without any look at them."""
        return self._watch if self._slots else None

    def concerned(self, events: Rows, plan: NDArray[np.void]) -> Watch | None:
        """The same; None also if these events leave all guarded accounts alone."""
        if not self._slots or (events["flags"] & _RESOLVES).any():
            return self.in_use
        of = self._watch.of
        last = of.size - 1
        is_any = any(of[np.minimum(plan[side], last)].any() for side in ("debit", "credit"))
        return self._watch if is_any else None

    def limit_of(self, slot: int) -> Limit | None:
        """The limit of an account, if it has one."""
        words = self._words(slot)
        if words is None:
            return None
        limit = Limit(
            transfer_max=_unless(_wide(words, TRANSFER_MAX), WIDE_MAX),
            window_s=int(words[PIECE_NS]) * PIECES // SECOND_NS,
            amount_max=_unless(_wide(words, AMOUNT_MAX), WIDE_MAX),
            count_max=_unless(int(words[COUNT_MAX]), _COUNT_MAX),
        )
        return None if limit == Limit() else limit

    def frozen_of(self, slot: int) -> Sides:
        """Which sides of an account are frozen."""
        words = self._words(slot)
        return NEITHER if words is None else Sides(int(words[FROZEN]))

    def set_limit(self, slot: int, limit: Limit | None, *, since: int) -> None:
        """Set an account's limit, or lift it; `since` is the last timestamp that the ledger has given."""
        wanted = limit or Limit()
        words = self._guard(slot)
        piece_ns = -(-wanted.window_s * SECOND_NS // PIECES)
        if words[PIECE_NS] != piece_ns:
            words[PIECE_NS:] = 0
            words[PIECE_NS], words[SINCE] = piece_ns, since
            words[PIECE] = since // piece_ns if piece_ns else 0
        words[TRANSFER_MAX : TRANSFER_MAX + 2] = split(_or(wanted.transfer_max, WIDE_MAX))
        words[AMOUNT_MAX : AMOUNT_MAX + 2] = split(_or(wanted.amount_max, WIDE_MAX))
        words[COUNT_MAX] = _or(wanted.count_max, _COUNT_MAX)
        self._drop_if_idle(slot)

    def freeze(self, slot: int, sides: Sides) -> None:
        """Freeze these sides of an account, and no others."""
        self._guard(slot)[FROZEN] = sides
        self._drop_if_idle(slot)

    def room(self, slot: int, *, time_ns: int) -> Room:
        """What an account may be debited now, as far as its guard goes."""
        words = self._words(slot)
        if words is None:
            return Room(WIDE_MAX, TransferStatus.CREATED)
        if int(words[FROZEN]) & Sides.DEBITS:
            return Room(-1, TransferStatus.DEBIT_ACCOUNT_FROZEN)
        at_once = Room(_wide(words, TRANSFER_MAX), TransferStatus.EXCEEDS_TRANSFER_LIMIT)
        amount, count = self.used(slot, time_ns=time_ns)
        if count >= words[COUNT_MAX]:
            return Room(-1, TransferStatus.EXCEEDS_WINDOW_COUNT)
        left = Room(max(_wide(words, AMOUNT_MAX) - amount, -1), TransferStatus.EXCEEDS_WINDOW_LIMIT)
        return min(at_once, left, key=lambda room: room.amount)

    def against(self, debit: int, credit: int, amount: int, *, time_ns: int) -> TransferStatus:
        """What the guards of two accounts (slots) have against a transfer now; CREATED if nothing."""
        room = self.room(debit, time_ns=time_ns)
        if room.against is TransferStatus.DEBIT_ACCOUNT_FROZEN:
            return room.against
        if self.frozen_of(credit) & Sides.CREDITS:
            return TransferStatus.CREDIT_ACCOUNT_FROZEN
        return room.against if amount > room.amount else TransferStatus.CREATED

    def used(self, slot: int, *, time_ns: int) -> tuple[int, int]:
        """What counts against an account's limit now: how much, and how many debits."""
        words = self._words(slot)
        if words is None or not words[PIECE_NS]:
            return 0, 0
        last = int(words[PIECE])
        now = max(last, (time_ns - _BATCH_NS) // int(words[PIECE_NS]))
        kept = [_piece(words, piece) for piece in range(max(now - PIECES, last - PIECES, 0), last + 1)]
        return sum(amount for amount, _ in kept), sum(count for _, count in kept)

    def save(self) -> bytes:
        """All of them: their slots, and then their words."""
        words: bytes = self._watch.words[: len(self._slots)].tobytes()
        return np.array(self._slots, "<i8").tobytes() + words

    def load(self, saved: bytes | memoryview) -> None:
        """Become what was saved."""
        words = np.frombuffer(saved, "<u8")
        count = words.size // (1 + GUARD_WORDS)
        self._slots = words[:count].tolist()
        of = np.zeros(max(self._slots, default=0) + 2, "i4")
        of[self._slots] = np.arange(1, count + 1)
        self._watch = Watch(of, words[count:].reshape(count, GUARD_WORDS).copy())

    def check(self) -> None:
        """Raise Bug if what is counted is not the sum of its pieces, or an account's guard is another's."""
        for number, slot in enumerate(self._slots):
            words = self._watch.words[number]
            pieces = [_piece(words, piece) for piece in range(PIECES + 1)]
            counted = _wide(words, AMOUNT), int(words[COUNT])
            summed = sum(amount for amount, _ in pieces), sum(count for _, count in pieces)
            invariant(counted == summed, "what a guard counts is in its pieces", slot=slot, counted=counted)
            invariant(int(self._watch.of[slot]) == number + 1, "a guard is found by its account", slot=slot)

    def _words(self, slot: int) -> NDArray[np.uint64] | None:
        number = int(self._watch.of[slot]) if 0 <= slot < self._watch.of.size else 0
        return self._watch.words[number - 1] if number else None

    def _guard(self, slot: int) -> NDArray[np.uint64]:
        """The words of an account's guard, which is a new one if it has none."""
        words = self._words(slot)
        if words is not None:
            return words
        if len(self._slots) >= GUARDS_MAX:
            raise NotAccepted(f"{GUARDS_MAX} accounts are guarded, and no more can be: lift what is not needed")
        self._make_room(slot)
        made: NDArray[np.uint64] = self._watch.words[len(self._slots)]
        made[:] = 0
        made[TRANSFER_MAX : COUNT_MAX + 1] = _COUNT_MAX
        self._slots.append(slot)
        self._watch.of[slot] = len(self._slots)
        return made

    def _make_room(self, slot: int) -> None:
        """Room for one more guard, that of the account in this slot."""
        of, words = self._watch
        if slot + 1 >= of.size:
            of = np.zeros(max(slot + 2, 2 * of.size), "i4")
            of[: self._watch.of.size] = self._watch.of
        if len(self._slots) == len(words):
            words = np.zeros((max(1, 2 * len(self._slots)), GUARD_WORDS), "u8")
            words[: len(self._slots)] = self._watch.words
        self._watch = Watch(of, words)

    def _drop_if_idle(self, slot: int) -> None:
        """Let go of a guard that allows everything; the last one takes its place."""
        if self.limit_of(slot) is not None or self.frozen_of(slot):
            return
        of, words = self._watch
        number, last = int(of[slot]), self._slots.pop()
        words[number - 1] = words[len(self._slots)]
        of[last] = number
        of[slot] = 0
        if last != slot:
            self._slots[number - 1] = last


def _wide(words: NDArray[np.uint64], place: int) -> int:
    return join(int(words[place]), int(words[place + 1]))


def _piece(words: NDArray[np.uint64], piece: int) -> tuple[int, int]:
    place = RING + PIECE_WORDS * (piece % (PIECES + 1))
    return _wide(words, place), int(words[place + 2])


def _unless(value: int, unlimited: int) -> int | None:
    return None if value == unlimited else value


def _or(value: int | None, unlimited: int) -> int:
    return unlimited if value is None else value
