"""Deciding in place of an issuer whose partition does not answer, under its stated limits, and telling it later.

Whoever stands in knows no card and no balance: only the limits of the programme. Every decision is kept, and goes to
the issuer as a message that is delivered once, in order, when its partition is back. A message has the same key
wherever it is decided, so one that the issuer had taken after all moves its money once.

    decided ──► waiting ──► agreed      the issuer would have done, or did, the same
                       └──► disputed    it refuses, or its customer can't pay and the bank does

Promise:    what is allowed in an issuer's place never exceeds its limits, a card and a day, in one partition; the
            issuer learns of each decision exactly once; a message does nothing whose reversal was taken before it.
Not given:  a say in what advices tell of, which is spent already: what the issuer refuses of it is disputed.
Checked by: tests/payments/cards/test_standing_in.py
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from ropewalk.core.codec import encode_value
from ropewalk.systems.payments.cards.books import DAY_NS, approval_of, named
from ropewalk.systems.payments.cards.commands import (
    Answer,
    Authorise,
    Complete,
    ListStandIns,
    Movement,
    Reverse,
    StandIn,
    StandInView,
)
from ropewalk.systems.payments.cards.limits import STAND_INS_KEPT, STAND_INS_OPEN_MAX
from ropewalk.systems.payments.cards.reasons import Reason

_WAITING: Final = -1
_KEY_BYTES: Final = 12


class Decision(msgspec.Struct, array_like=True):
    """What was decided about a movement; `outcome` is the reason that the issuer answered, or -1 before it did."""

    movement: Movement
    reason: int
    outcome: int = _WAITING

    @property
    def is_disputed(self) -> bool:
        """True if the issuer answered otherwise, or pays for its customer."""
        agreed = (Reason.APPROVED, Reason.HELD_NO_MORE, Reason.STOPPED_IN_ADVANCE, Reason.WAS_REFUSED)
        return self.outcome not in (_WAITING, *agreed)


class Forward(NamedTuple):
    """What the issuer is told, and the tag that its reply comes back with."""

    movement: Movement
    tag: bytes


class StandIns:
    """The decisions of one partition, and what they let each card spend on a day."""

    def __init__(self) -> None:
        self._decisions: dict[bytes, Decision] = {}
        self._spent: dict[bytes, tuple[int, int]] = {}
        self._waiting = 0

    def decide(self, command: StandIn, *, time_ns: int) -> tuple[Answer, Forward | None]:
        """The answer in the issuer's place, and what it is told of it."""
        movement = command.movement
        origin = movement.original if isinstance(movement, Reverse) else movement.origin
        name = named(origin, time_ns=time_ns)
        if name is None or not (isinstance(movement, Reverse) or name.is_current):
            return Answer(Reason.TIME_FAR_OFF), None
        key = name.key
        tag = _tag(movement, key)
        known = self._decisions.get(tag)
        if known is not None:
            is_same = known.movement == movement
            return (_answer(known, key) if is_same else Answer(Reason.TRACE_USED)), None
        if not isinstance(movement, Reverse) and _tag_of_reversal(key) in self._decisions:
            return Answer(Reason.REVERSED_IN_ADVANCE), None
        if self._waiting >= STAND_INS_OPEN_MAX:
            return Answer(Reason.NOBODY_DECIDES), None
        if not (isinstance(movement, Reverse) or self._allows(command, movement, time_ns=time_ns)):
            # The issuer may have said yes before it fell silent, and its customer is told no.
            undone = Reverse(
                movement.origin, movement.token, movement.masked, movement.amount_minor, movement.currency
            )
            self._keep(tag, Decision(movement, Reason.ISSUER_UNAVAILABLE))
            return Answer(Reason.ISSUER_UNAVAILABLE), Forward(undone, tag)
        decision = Decision(movement, Reason.APPROVED)
        self._keep(tag, decision)
        told = msgspec.structs.replace(movement, is_decided=True) if isinstance(movement, Authorise) else movement
        return _answer(decision, key), Forward(told, tag)

    def reconcile(self, tag: bytes, answer: Answer) -> None:
        """Note what the issuer says to a decision."""
        decision = self._decisions.get(tag)
        if decision is not None and decision.outcome == _WAITING:
            decision.outcome = answer.reason
            self._waiting -= 1

    def views(self, query: ListStandIns) -> Iterator[StandInView]:
        """Decisions, the newest first."""
        left = query.limit
        for decision in reversed(self._decisions.values()):
            if left and (decision.is_disputed or not query.disputed):
                left -= 1
                yield _view(decision)

    def save(self) -> bytes:
        """All of it."""
        return encode_value((list(self._decisions.items()), list(self._spent.items())))

    def load(self, saved: bytes | memoryview) -> None:
        """Become what was saved."""
        decisions, spent = msgspec.msgpack.decode(saved, type=_SAVED)
        self._decisions, self._spent = dict(decisions), dict(spent)
        self._waiting = sum(decision.outcome == _WAITING for decision in self._decisions.values())

    def _allows(self, command: StandIn, movement: Authorise | Complete, *, time_ns: int) -> bool:
        """True if the limits allow it, and then it counts. What was decided elsewhere is let pass."""
        if movement.is_decided:
            return True
        day = time_ns // DAY_NS
        spent_day, spent_minor = self._spent.get(movement.token, (day, 0))
        spent_minor = movement.amount_minor + (spent_minor if spent_day == day else 0)
        within = 0 < movement.amount_minor <= command.limit_minor and spent_minor <= command.day_limit_minor
        if within:
            self._forget_other_days(day)
            self._spent[movement.token] = (day, spent_minor)
        return within

    def _forget_other_days(self, day: int) -> None:
        if self._spent and next(iter(self._spent.values()))[0] != day:
            self._spent = {token: spent for token, spent in self._spent.items() if spent[0] == day}

    def _keep(self, tag: bytes, decision: Decision) -> None:
        if len(self._decisions) >= STAND_INS_KEPT:
            settled = (each for each, kept in self._decisions.items() if kept.outcome != _WAITING)
            del self._decisions[next(settled)]
        self._decisions[tag] = decision
        self._waiting += 1


def _tag(movement: Movement, key: int) -> bytes:
    """What names a decision: a reversal has the key of what it reverses."""
    return _tag_of_reversal(key) if isinstance(movement, Reverse) else b"M" + key.to_bytes(_KEY_BYTES, "big")


def _tag_of_reversal(key: int) -> bytes:
    return b"R" + key.to_bytes(_KEY_BYTES, "big")


def _answer(decision: Decision, key: int) -> Answer:
    movement = decision.movement
    if decision.reason != Reason.APPROVED or isinstance(movement, Reverse):
        return Answer(decision.reason)
    return Answer(decision.reason, movement.amount_minor, approval_of(key))


def _view(decision: Decision) -> StandInView:
    movement = decision.movement
    origin = movement.original if isinstance(movement, Reverse) else movement.origin
    outcome = "disputed" if decision.is_disputed else "agreed"
    is_waiting = decision.outcome == _WAITING
    return StandInView(
        origin.acquirer, origin.transmitted, origin.trace, movement.masked, _what(movement),
        movement.amount_minor, Reason(decision.reason).code, "waiting" if is_waiting else outcome,
        "" if is_waiting else Reason(decision.outcome).code,
    )  # fmt: skip


def _what(movement: Movement) -> str:
    match movement:
        case Authorise():
            return "purchase" if movement.posts else "authorisation"
        case Complete():
            return "completion"
        case Reverse():
            return "reversal"


_SAVED: Final = tuple[list[tuple[bytes, Decision]], list[tuple[bytes, tuple[int, int]]]]
