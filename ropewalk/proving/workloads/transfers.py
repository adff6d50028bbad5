"""Transactions of a keyed service: accounts in three partitions, and their coordinator in two.

At every moment that may have been, what the accounts have, and what is held of transactions that are committed, is
what there was at first. At rest nothing is held, and every transaction has ended.

Checked by: tests/proving/test_processes.py
"""

from collections.abc import Mapping, Sequence
from itertools import permutations
from random import Random
from typing import Any, Final

import msgspec

from ropewalk.coordination.commit import Decision
from ropewalk.coordination.transactions.messages import HELD, GetTransaction, ListTransactions, Part
from ropewalk.core.codec import encode_value
from ropewalk.core.keyed import Applied, Entry
from ropewalk.core.machine import Machine, Request
from ropewalk.core.place import Place
from ropewalk.data.shelf import Shelf
from ropewalk.errors import invariant
from ropewalk.proving.workload import Asked, Cut
from ropewalk.runtime.service import Service
from ropewalk.runtime.transactions.service import with_transactions

ACCOUNTS: Final = tuple(f"account-{number}" for number in range(5))
OPENING_BALANCE: Final = 10
IDS: Final = 60
TIMEOUT_S: Final = 1

_MOVES: Final = list(permutations(ACCOUNTS, 2))


class Account(msgspec.Struct, frozen=True):
    """`held` is what transactions will add or take, by their ids."""

    balance: int = 0
    held: Mapping[str, int] = {}


class Open(msgspec.Struct, frozen=True, tag=True):
    """Open an account with a balance, once."""

    account: str


class Hold(msgspec.Struct, frozen=True, tag=True):
    """Keep an amount, or room for it."""

    account: str
    id: str
    amount: int


class Commit(msgspec.Struct, frozen=True, tag=True):
    """Move what is held."""

    account: str
    id: str


class Abort(msgspec.Struct, frozen=True, tag=True):
    """Let go of what is held."""

    account: str
    id: str


class Move(msgspec.Struct, frozen=True, tag=True):
    """A transfer of a client's."""

    id: str
    source: str
    target: str
    amount: int


def apply(accounts: Mapping[str, Account], entry: Entry[Open | Hold | Commit | Abort]) -> Applied[Account]:
    """The rules of an account. Whoever commits or aborts what is not held here stops the partition."""
    command = entry.command
    account = accounts.get(command.account, Account())
    held = dict(account.held)
    match command:
        case Open(name):
            return Applied("opened", {} if name in accounts else {name: Account(OPENING_BALANCE)})
        case Hold(name, id_, amount):
            invariant(id_ not in held, "a transaction holds a key once", id=id_)
            if account.balance + sum(min(each, 0) for each in held.values()) + amount < 0:
                return Applied("insufficient_funds")
            return Applied(HELD, {name: Account(account.balance, held | {id_: amount})})
        case Commit(name, id_):
            return Applied("done", {name: Account(account.balance + held.pop(id_), held)})
        case Abort(name, id_):
            held.pop(id_)
            return Applied("done", {name: Account(account.balance, held)})


def parts(move: Move) -> Sequence[Part]:
    """What a transfer does at each account."""
    return [
        Part(name, Hold(name, move.id, amount), Commit(name, move.id), Abort(name, move.id))
        for name, amount in ((move.source, -move.amount), (move.target, move.amount))
    ]


BANK: Final = with_transactions(
    Service.keyed(
        "bank",
        commands=Open,
        messages=Hold | Commit | Abort,
        value=Account,
        apply=apply,
        key=lambda command: command.account,
        partitions=3,
    ),
    commands=Move,
    parts=parts,
    timeout_s=TIMEOUT_S,
    partitions=2,
)
COORDINATOR: Final = BANK.followers[0].service
SERVICES: Final = {each.name: each for each in (BANK, COORDINATOR)}
PLACES: Final[Sequence[Place]] = [
    Place(each.name, number, each.partitions) for each in SERVICES.values() for number in range(each.partitions)
]


class Transfers:
    """The workload."""

    places = PLACES
    quiet_s = TIMEOUT_S + 4.0

    def machine(self, shelf: Shelf, place: Place) -> Machine:
        return SERVICES[place.service].machine(shelf, place)

    def opening(self) -> Sequence[Asked]:
        return [(_log(BANK, name), Request(name.encode().ljust(16), encode_value(Open(name)))) for name in ACCOUNTS]

    def request(self, random: Random) -> Asked:
        number = random.randrange(IDS)
        source, target = _MOVES[number % len(_MOVES)]
        move = Move(f"move-{number}", source, target, 1 + number % 6)
        return _log(COORDINATOR, move.id), Request(random.randbytes(16), encode_value(move))

    def query(self, random: Random) -> tuple[str, bytes]:
        account = random.choice(ACCOUNTS)
        return _log(BANK, account), encode_value(account)

    def judge(self, _: Place) -> None:
        return None

    def check(self, cut: Cut) -> None:
        accounts = [account for name in ACCOUNTS if (account := _read(cut, _log(BANK, name), name)) is not None]
        held = [(id_, amount) for account in accounts for id_, amount in account["held"].items()]
        decided = {id_: _read(cut, _log(COORDINATOR, id_), GetTransaction(id_))["decision"] for id_, _ in held}
        coming = sum(amount for id_, amount in held if decided[id_] == Decision.COMMITTED)
        total = sum(account["balance"] for account in accounts) + coming
        invariant(total == OPENING_BALANCE * len(accounts), "no transaction is half done", total=total, held=held)
        if cut.is_at_rest:
            logs = [place.log_name for place in PLACES if place.service == COORDINATOR.name]
            query = encode_value(ListTransactions())
            still_open = [each for log in logs for each in msgspec.msgpack.decode(cut.machines[log].read(query))]
            invariant(not still_open and not held, "at rest all have ended", open=still_open, held=held)


def _log(service: Service, key: str) -> str:
    return Place(service.name, 0, service.partitions).log_of(key)


def _read(cut: Cut, log: str, query: object) -> Any:
    return msgspec.msgpack.decode(cut.machines[log].read(encode_value(query)))
