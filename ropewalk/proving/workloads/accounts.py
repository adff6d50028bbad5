"""A bank whose accounts are in several partitions, and whose transfers are transactions.

Checked by: tests/runtime/test_transactions.py
"""

from collections.abc import Mapping, Sequence

import msgspec

from ropewalk.coordination.transactions.limits import TRANSACTION_TIMEOUT_S
from ropewalk.coordination.transactions.messages import HELD, Part
from ropewalk.core.keyed import Applied, Entry
from ropewalk.errors import invariant
from ropewalk.runtime.service import Service
from ropewalk.runtime.transactions.service import with_transactions


class Account(msgspec.Struct, frozen=True):
    """`held` is what transactions will add or take, by their ids."""

    balance: int = 0
    held: Mapping[str, int] = {}

    @property
    def available(self) -> int:
        """What no transaction may take."""
        return self.balance + sum(min(amount, 0) for amount in self.held.values())


class Deposit(msgspec.Struct, frozen=True, tag=True):
    """Pay something in."""

    account: str
    amount: int


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


def apply(accounts: Mapping[str, Account], entry: Entry[Deposit | Hold | Commit | Abort]) -> Applied[Account]:
    """The rules of an account. Whoever commits or aborts what is not held here stops the partition."""
    command = entry.command
    account = accounts.get(command.account, Account())
    held = dict(account.held)
    match command:
        case Deposit(name, amount):
            return Applied("deposited", {name: Account(account.balance + amount, held)})
        case Hold(name, id_, amount):
            invariant(id_ not in held, "a transaction holds a key once", id=id_)
            if account.available + amount < 0:
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


def bank(partitions: int, *, coordinators: int | None = None, timeout_s: int = TRANSACTION_TIMEOUT_S) -> Service:
    """The bank, with its coordinator behind it."""
    accounts = Service.keyed(
        "bank",
        commands=Deposit,
        messages=Hold | Commit | Abort,
        value=Account,
        reply=str,
        apply=apply,
        held_by=lambda account: account.held,
        key=lambda command: command.account,
        partitions=partitions,
    )
    return with_transactions(accounts, commands=Move, parts=parts, partitions=coordinators, timeout_s=timeout_s)
