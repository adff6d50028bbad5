"""Cards of five banks: authorised, spent, reversed and sent again, by the issuer or by its neighbour in its place.

At rest each authorisation is spent once, undone once, expired, or still held, or was never made; and nobody was told
anything else. Whoever stood in for an issuer has been answered by it.

Checked by: tests/proving/test_town.py, tests/canaries/test_payments_banks.py
"""

from collections.abc import Iterable, Iterator, Sequence
from random import Random
from typing import Final, NamedTuple

import numpy as np

from ropewalk.errors import invariant
from ropewalk.proving.workloads.banks import BANKS, NUMBERS, SHARDS, Moved, Told, ToShard, any_bank, ask, distinct
from ropewalk.systems.payments.cards.books import Made, Purpose, found, key_of, transfer_id
from ropewalk.systems.payments.cards.commands import (
    CARDS,
    Answer,
    Authorise,
    BlockCard,
    Complete,
    IssueCards,
    ListCards,
    ListStandIns,
    Movement,
    NewCard,
    OpenProgramme,
    Origin,
    Reverse,
    StandIn,
    StandInView,
    decode_command,
    decode_reply,
    encode_command,
    encode_query,
)
from ropewalk.systems.payments.cards.reasons import Reason
from ropewalk.systems.payments.ledger.hot import ABSENT, EXPIRED, PENDING, PLAIN, POSTED, STATE_SHIFT, VOIDED
from ropewalk.systems.payments.ledger.layout import ids_of
from ropewalk.systems.payments.machine import PaymentsMachine

AUTHORISATIONS: Final = 10
COMPLETIONS: Final = range(2)
"""What tries to spend each of them: the first asks and refers to it, the second tells and names it."""

_CENTS_MAX: Final = 30
_STAND_IN: Final = (15, 30)
"""What a neighbour may authorise at once, and for a card in a day."""
_DOLLARS: Final = "840"
_TRANSMITTED: Final = "1114221320"
_HOLD_DAYS: Final = (1, 7)
"""Of banks by turns: what is held for a day has expired at rest."""
_STATES: Final = ("active", "active", "active", "blocked", "lost")
_NEAR_NS: Final = 1_700_000_000 * 10**9
_MESSAGES: Final = ("authorise",) * 12 + ("complete",) * 6 + ("reverse",) * 2 + ("reverse completion",)


class _Done(NamedTuple):
    """What the ledger says of a message at rest: what it made, in which state that is, and what gave it back."""

    made: Made | None
    state: int
    undo: Made | None

    @property
    def is_hold(self) -> bool:
        """Whether it held something."""
        return self.made is not None and self.made.is_hold

    @property
    def is_undone(self) -> bool:
        """Whether it moves and holds nothing."""
        return self.made is None or self.undo is not None or self.state == EXPIRED


class Authorisations:
    """The trade."""

    byte = CARDS

    def __init__(self) -> None:
        self._done: list[_Done] = []
        self._stood_in: set[int] = set()

    def opening(self) -> Iterable[ToShard]:
        """A programme in each bank, and a card for each of its accounts."""
        for shard in SHARDS:
            yield shard, encode_command(OpenProgramme(_bin(shard), BANKS[shard], _hold_days(shard), *_STAND_IN))
            yield shard, encode_command(IssueCards([_card(shard, number) for number in NUMBERS], b"key"))

    def request(self, random: Random) -> ToShard:
        """What a client asks next: the issuer, or now and then its neighbour."""
        if random.random() < 0.05:
            shard = any_bank(random)
            return shard, encode_command(BlockCard(_token(shard, random.choice(NUMBERS)), random.choice(_STATES)))
        number, completion = random.randrange(AUTHORISATIONS), random.choice((0, 0, 1))
        movement = _movement(random.choice(_MESSAGES), number, completion)
        issuer = _issuer(number)
        if random.random() < 0.3:
            return (issuer + 1) % len(SHARDS), encode_command(StandIn(issuer, movement, *_STAND_IN))
        return issuer, encode_command(movement)

    def query(self, random: Random) -> ToShard:
        """What a reader asks next."""
        shard = any_bank(random)
        return shard, encode_query(random.choice((ListCards(BANKS[shard]), ListStandIns())))

    def moved(self, machines: Sequence[PaymentsMachine]) -> Iterator[Moved]:
        """What authorisations have moved, and still hold."""
        self._done = [_done(machines[_issuer(trace)], trace) for trace in range(_trace(AUTHORISATIONS, 0))]
        for number in range(AUTHORISATIONS):
            _check_ended(number, self._done[number], [self._done[_trace(number, each)] for each in COMPLETIONS])
        for trace, done in enumerate(self._done):
            yield from _moved(_issuer(trace), done)
        for machine in machines:
            for view in ask(machine, encode_query(ListStandIns(limit=1_000)), type=list[StandInView]):
                self._check_stand_in(view)

    def check_told(self, told: Sequence[Told]) -> None:
        """Every message was answered as before, and as it is at rest."""
        for encoded, replies in distinct(told).items():
            command = decode_command(encoded)
            answers = [each for each in map(decode_reply, replies) if isinstance(each, Answer)]
            match command:
                case Authorise(origin):
                    self._check_authorised(int(origin.trace), answers)
                case Complete(origin):
                    invariant(len(answers) == 1, "an answer is repeated", command=command, answers=answers)
                    self._check_approved(int(origin.trace), answers)
                case StandIn():
                    invariant(len(answers) == 1, "an answer is repeated", command=command, answers=answers)
                case Reverse(origin):
                    self._check_reversed(int(origin.trace), [each.reason for each in answers])

    def _check_authorised(self, number: int, answers: Sequence[Answer]) -> None:
        """A refusal may become an approval if a neighbour has stood in for the issuer meanwhile."""
        refused = [each for each in answers if not Reason(each.reason).is_approval]
        invariant(len(refused) <= 1, "a refusal is repeated", number=number, answers=answers)
        if len(refused) < len(answers) or number not in self._stood_in:
            self._check_approved(number, answers)

    def _check_approved(self, trace: int, answers: Sequence[Answer]) -> None:
        """What was approved was made, and nothing else was."""
        said = [each.amount_minor for each in answers if Reason(each.reason).is_approval]
        made = self._done[trace].made
        amounts = [made.amount] if made is not None else []
        invariant(said == amounts, "what is approved is made", trace=trace, answers=answers, made=made)

    def _check_reversed(self, trace: int, reasons: Sequence[int]) -> None:
        done = self._done[trace]
        is_undone = Reason.APPROVED not in reasons or done.undo is not None
        invariant(is_undone, "what is reversed is given back", trace=trace, done=done)
        is_stopped = Reason.STOPPED_IN_ADVANCE not in reasons or done.made is None
        invariant(is_stopped, "what is stopped in advance is not made", trace=trace, done=done)

    def _check_stand_in(self, view: StandInView) -> None:
        """The issuer has heard of a decision; and if it agrees, that is so."""
        trace, is_made = int(view.trace), view.what != "reversal" and view.code == Reason.APPROVED.code
        invariant(view.outcome != "waiting", "the issuer learns of each decision", view=view)
        if is_made:
            self._stood_in.add(trace)
        if view.outcome == "agreed":
            done = self._done[trace]
            is_so = done.made is not None if is_made else done.is_undone
            invariant(is_so, "what the issuer agrees with has happened", view=view, done=done)


def _done(machine: PaymentsMachine, trace: int) -> _Done:
    ledger, key = machine.accounting.ledger, key_of(_origin(trace), time_ns=_NEAR_NS)
    assert key is not None
    movement, undo = (transfer_id(purpose, key) for purpose in (Purpose.MOVEMENT, Purpose.UNDO))
    rows = found(ledger, [movement, undo])
    return _Done(rows.get(movement), int(ledger.states_of(ids_of([movement]))[0]), rows.get(undo))


def _moved(shard: int, done: _Done) -> Iterator[Moved]:
    if done.made is not None and done.is_hold:
        held = done.made.amount if done.state == PENDING else 0
        yield Moved(shard, done.made.debit, 0, held)
        yield Moved(shard, done.made.credit, 0, held)
        return
    for row in (done.made, done.undo):
        if row is not None:
            yield Moved(shard, row.debit, -row.amount)
            yield Moved(shard, row.credit, row.amount)


def _check_ended(number: int, done: _Done, completions: Sequence[_Done]) -> None:
    """It has ended in one way, or is still held; and no more was moved than was asked."""
    made = done.made
    spent = [each.made for each in completions if each.made is not None]
    has_expired = _hold_days(_issuer(number)) == min(_HOLD_DAYS)
    ends = {
        POSTED: done.is_hold and len(spent) == 1 and done.undo is None,
        VOIDED: not spent and done.undo is not None,
        EXPIRED: not spent and done.undo is None and has_expired,
        PENDING: not spent and done.undo is None and not has_expired,
        PLAIN: not spent and made is not None,
        ABSENT >> STATE_SHIFT: not spent and made is None,
    }
    invariant(ends[np.uint64(done.state)], "an authorisation ends in one way", number=number, done=done, spent=spent)
    command = _movement("authorise", number, 0)
    if made is not None:
        least = 1 if number % 4 == 0 else command.amount_minor
        is_right = least <= made.amount <= command.amount_minor
        invariant(is_right, "what is made is what was asked", number=number, made=made)
        within = all(each.pending_id == made.id and each.amount <= made.amount for each in spent)
        invariant(within, "no more is spent than was authorised", number=number, made=made, spent=spent)
    for each in (done, *completions):
        taken = each.made.amount if each.made is not None else 0
        is_right = each.is_hold or each.undo is None or each.undo.amount == taken
        invariant(is_right, "what is given back was taken", number=number, done=each)


def _movement(what: str, number: int, completion: int) -> Movement:
    random, shard = Random(number), _issuer(number)
    token, masked = _token(shard, account := random.choice(NUMBERS)), _masked(shard, account)
    amount = random.randint(1, _CENTS_MAX)
    reference = f"{number:012}"
    spends = amount - completion if random.random() < 0.8 else amount + 1
    match what:
        case "authorise":
            posts, takes_part = random.random() < 0.2, number % 4 == 0
            return Authorise(
                _origin(number), token, masked, amount, _DOLLARS, reference, posts=posts, takes_part=takes_part
            )
        case "complete":
            origin, is_advice = _origin(_trace(number, completion)), completion > 0
            original = _origin(number) if is_advice else None
            return Complete(origin, token, masked, spends, _DOLLARS, reference, original, is_decided=is_advice)
        case "reverse":
            return Reverse(_origin(number), token, masked, amount, _DOLLARS)
        case _:
            return Reverse(_origin(_trace(number, completion)), token, masked, spends, _DOLLARS)


def _trace(number: int, completion: int) -> int:
    """What a completion is named by; an authorisation is by its number."""
    return AUTHORISATIONS + number * len(COMPLETIONS) + completion


def _origin(trace: int) -> Origin:
    return Origin("990000", _TRANSMITTED, f"{trace:06}")


def _issuer(trace: int) -> int:
    """The shard of the card that a message is about."""
    is_completion = trace >= AUTHORISATIONS
    number = (trace - AUTHORISATIONS) // len(COMPLETIONS) if is_completion else trace
    return number % len(SHARDS)


def _hold_days(shard: int) -> int:
    return _HOLD_DAYS[shard % len(_HOLD_DAYS)]


def _bin(shard: int) -> str:
    return f"{990000 + shard}"


def _masked(shard: int, account: str) -> str:
    return f"{_bin(shard)}******000{account}"


def _token(shard: int, account: str) -> bytes:
    return f"card {shard} {account}".encode().ljust(16)


def _card(shard: int, account: str) -> NewCard:
    return NewCard(_token(shard, account), _masked(shard, account), BANKS[shard], account, "3012", day_count_max=3)
