"""Banks in five shards, one in each, whose customers do several kinds of business with the same few accounts.

    trades      instant payments · cards · ACH files: each with its own clients, and its own judge at rest
    banks       open, fund and restrict the accounts, and add up what the trades say has moved

At rest each trade says how everything it knows of has ended, and what that moved and still holds. All of it sums to
nothing over all shards; the settlement account of each bank has paid and been paid just that, so no money is made or
lost between shards; and each account holds it, where the trade knows the account.

Checked by: tests/proving/test_town.py, tests/canaries/test_payments_banks.py
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any, Final, NamedTuple, Protocol, cast

import msgspec

from ropewalk.core.machine import NO_ID, Machine, Request
from ropewalk.core.place import Place
from ropewalk.data.shelf import Shelf
from ropewalk.errors import invariant
from ropewalk.proving.history import Acknowledged
from ropewalk.proving.workload import Asked, Cut
from ropewalk.proving.workloads.shards import PATIENCE, PLACES
from ropewalk.systems.payments.ach.columns import check_digit
from ropewalk.systems.payments.instant.limits import Terms
from ropewalk.systems.payments.ledger.commands import Operation, encode
from ropewalk.systems.payments.ledger.layout import TRANSFER, get, ids_of, rows_of
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.machine import PaymentsMachine
from ropewalk.systems.payments.processing import messages as ach
from ropewalk.systems.payments.processing.books import USD, Holder, account_id
from ropewalk.systems.payments.processing.limits import Steps
from ropewalk.systems.payments.shards.addresses import full_id

ToShard = tuple[int, bytes]
"""The number of a shard, and a command or a query for it."""

SHARDS: Final = range(len(PLACES))
NUMBERS: Final = ("1", "2", "3")
"""The accounts of each bank, in the order in which they are opened."""
FUNDS: Final = 30
SOME_CUSTOMER: Final = 0
"""Stands for the account of one, if it is not known whose it is."""

_RESTRICTIONS: Final = ("none", "none", "none", "closed", "frozen", "credits_refused")
_SETTLEMENT, _CLEARING, *_OTHERS = (
    account_id(holder, 0) for holder in (Holder.SETTLEMENT, Holder.CLEARING, Holder.SUSPENSE, Holder.CARDS)
)
DEPOSITS: Final = [account_id(Holder.DEPOSIT, slot) for slot in range(len(NUMBERS))]


def _routing_of(place: Place) -> str:
    """A bank whose shard that is."""
    eights = (f"99{number:06}" for number in range(1, 1_000))
    return next(
        each for eight in eights if place.partition_of(each := f"{eight}{check_digit(eight)}") == place.partition
    )


BANKS: Final = [_routing_of(place) for place in PLACES]
"""The routing number of each shard's bank."""


class Moved(NamedTuple):
    """What something moved to an account for good (less than 0: from it), and what of it is held for now.

    `account` is the id that its shard knows it by.
    """

    shard: int
    account: int
    cents: int
    held: int = 0


class Told(NamedTuple):
    """A command that was answered."""

    command: bytes
    reply: bytes


class Trade(Protocol):
    """One kind of business. Messages go by small numbers, which say all of them: so they are sent again and again."""

    byte: bytes
    """The first of its commands."""

    def opening(self) -> Iterable[ToShard]:
        """What is asked once, when there are accounts."""
        ...

    def request(self, random: Random) -> ToShard:
        """What a client asks next."""
        ...

    def query(self, random: Random) -> ToShard:
        """What a reader asks next."""
        ...

    def moved(self, machines: Sequence[PaymentsMachine]) -> Iterable[Moved]:
        """What has moved, at rest. Raises Bug if something has not ended, or not everywhere in the same way."""
        ...

    def check_told(self, told: Sequence[Told]) -> None:
        """Raise Bug if clients of one shard were told what is not so at rest, or a repeat was told something else."""
        ...


class Banks:
    """The workload."""

    places = PLACES
    # A day and some hours: holds of a day expire, and what waits for a settlement window is settled.
    quiet_s = 100_000.0

    def __init__(self, *trades: Trade) -> None:
        self._trades = trades

    def machine(self, shelf: Shelf, place: Place) -> Machine:
        ledger = Ledger(shelf, segment_rows=64, piece_entries=16)
        steps, terms = Steps(entries=3, answers=2), Terms(decision_seconds=1)
        return PaymentsMachine(shelf, place=place, patience=PATIENCE, steps=steps, terms=terms, ledger=ledger)

    def opening(self) -> Sequence[Asked]:
        opened = [each for shard in SHARDS for each in _opening(shard)]
        opened += [each for trade in self._trades for each in trade.opening()]
        return [(PLACES[shard].log_name, Request(NO_ID, command)) for shard, command in opened]

    def request(self, random: Random) -> Asked:
        if random.random() < 0.05:
            shard, command = _restriction(random)
        else:
            shard, command = random.choice(self._trades).request(random)
        return PLACES[shard].log_name, Request(random.choice((NO_ID, random.randbytes(16))), command)

    def query(self, random: Random) -> tuple[str, bytes]:
        shard, query = random.choice(self._trades).query(random)
        return PLACES[shard].log_name, query

    def judge(self, _: Place) -> None:
        return None

    def check(self, cut: Cut) -> None:
        if cut.is_at_rest:
            machines = [cast(PaymentsMachine, cut.machines[place.log_name]) for place in PLACES]
            _check_money(machines, [each for trade in self._trades for each in trade.moved(machines)])

    def check_clients(self, acknowledged: Sequence[Acknowledged], _: Sequence[Request]) -> None:
        told = [Told(each.request.command, each.reply) for each in acknowledged if each.reply is not None]
        for trade in self._trades:
            trade.check_told([each for each in told if each.command[:1] == trade.byte])


def any_bank(random: Random) -> int:
    """The shard of some bank."""
    return random.choice(SHARDS)


def distinct(told: Iterable[Told]) -> Mapping[bytes, list[bytes]]:
    """What each command was answered, each answer once."""
    answers: dict[bytes, dict[bytes, None]] = {}
    for each in told:
        answers.setdefault(each.command, {})[each.reply] = None
    return {command: list(replies) for command, replies in answers.items()}


def ask(machine: PaymentsMachine, query: bytes, *, type: Any) -> Any:
    """What a machine answers, as structs of a type."""
    return msgspec.msgpack.decode(machine.read(query), type=type)


def _opening(shard: int) -> Iterable[ToShard]:
    """A bank with its accounts, and money in each."""
    place, bank = PLACES[shard], BANKS[shard]
    funds = [
        {
            "id": number,
            "debit_account_id": full_id(_SETTLEMENT, place),
            "credit_account_id": full_id(deposit, place),
            "amount": FUNDS,
            "ledger": USD,
            "code": 1,
        }
        for number, deposit in enumerate(DEPOSITS, start=1)
    ]
    accounts = ach.OpenAccounts([ach.NewAccount(bank, number) for number in NUMBERS])
    yield shard, ach.encode_command(ach.OpenInstitution(bank, f"BANK {shard}"))
    yield shard, ach.encode_command(accounts)
    yield shard, encode(Operation.CREATE_TRANSFERS, rows_of(TRANSFER, funds))


def _restriction(random: Random) -> ToShard:
    shard = any_bank(random)
    command = ach.RestrictAccount(BANKS[shard], random.choice(NUMBERS), random.choice(_RESTRICTIONS))
    return shard, ach.encode_command(command)


def _check_money(machines: Sequence[PaymentsMachine], moved: Sequence[Moved]) -> None:
    total = sum(each.cents for each in moved)
    invariant(total == 0, "money is neither made nor lost", total=total)
    for shard, machine in enumerate(machines):
        _check_accounts(machine, shard, [each for each in moved if each.shard == shard])


def _check_accounts(machine: PaymentsMachine, shard: int, moved: Sequence[Moved]) -> None:
    cents = Counter(dict.fromkeys(DEPOSITS, FUNDS))
    held = Counter[int]()
    for each in moved:
        cents[each.account] += each.cents
        held[each.account] += each.held
    # What customers and their bank have of one another sums to nothing, so it has what all of them have got.
    cents[_SETTLEMENT] = -sum(cents.values())
    is_known = SOME_CUSTOMER not in cents
    for account in (_SETTLEMENT, _CLEARING, *_OTHERS, *DEPOSITS):
        has, pending = _standing(machine, account)
        where = {"shard": shard, "account": account, "has": has, "pending": pending}
        invariant(pending == held[account], "what is pending is held for something", held=held[account], **where)
        if is_known or account in (_SETTLEMENT, _CLEARING):
            invariant(has == cents[account], "an account has what has moved", moved=cents[account], **where)


def _standing(machine: PaymentsMachine, account: int) -> tuple[int, int]:
    """What an account has, and what is held on either side of it; nothing if it was never opened."""
    rows = machine.accounting.ledger.lookup_accounts(ids_of([account]))
    posted = sum(get(row, "credits_posted") - get(row, "debits_posted") for row in rows)
    return posted, sum(get(row, "credits_pending") + get(row, "debits_pending") for row in rows)
