"""A bank as a keyed machine: deposits that never add up to anything but what was paid in, and none below zero.

Checked by: tests/proving/test_world.py
"""

from collections.abc import Mapping, Sequence
from random import Random

import msgspec

from ropewalk.core.codec import encode_value
from ropewalk.core.effects import At
from ropewalk.core.keyed import Applied, Entry, KeyedMachine
from ropewalk.core.machine import Batch, Machine, Request
from ropewalk.core.place import Place
from ropewalk.data.shelf import Shelf
from ropewalk.errors import invariant

ACCOUNTS = tuple(f"account-{number}" for number in range(5))
OPENING_BALANCE = 20
MOVE_LATER_NS = 50_000_000


class Open(msgspec.Struct, frozen=True, tag=True):
    """Open an account with a balance, once."""

    account: str


class Move(msgspec.Struct, frozen=True, tag=True):
    """Move an amount, now or after a while."""

    source: str
    target: str
    amount: int
    later: bool = False


def apply(state: Mapping[str, int], entry: Entry[Open | Move]) -> Applied[int]:
    """The bank's rules."""
    match entry.command:
        case Open(account):
            return Applied("opened", {} if account in state else {account: OPENING_BALANCE})
        case Move(source, target, amount, later=True):
            return Applied("later", effects=[At(entry.time_ns + MOVE_LATER_NS, Move(source, target, amount))])
        case Move(source, target, amount):
            if state[source] < amount:
                return Applied("insufficient_funds")
            if source == target:
                return Applied("same_account")
            return Applied("moved", {source: state[source] - amount, target: state[target] + amount})


def check(state: Mapping[str, int]) -> None:
    """Money is neither made nor lost, and nobody owes."""
    total = sum(state.values())
    invariant(total == OPENING_BALANCE * len(state), "money is neither made nor lost", total=total)
    invariant(all(balance >= 0 for balance in state.values()), "nobody owes", balances=dict(state))


class _Judge:
    """The same with nothing but a dict and a list."""

    def __init__(self) -> None:
        self._balances: dict[str, int] = {}
        self._later: list[tuple[int, int, Move]] = []
        self._set = 0

    def expect(self, batch: Batch) -> Sequence[bytes]:
        due = sorted(timer for timer in self._later if timer[0] <= batch.time_ns)
        self._later = [timer for timer in self._later if timer[0] > batch.time_ns]
        for _, _, move in due:
            self._move(move)
        return [encode_value(self._answer(request, batch.time_ns)) for request in batch.requests]

    def check(self, machine: Machine) -> None:
        for account, balance in self._balances.items():
            answer = msgspec.msgpack.decode(machine.read(encode_value(account)))
            invariant(answer == balance, "the judge has the same balance", account=account, answer=answer)

    def _answer(self, request: Request, time_ns: int) -> str:
        command = msgspec.msgpack.decode(request.command, type=Open | Move)
        if isinstance(command, Open):
            self._balances.setdefault(command.account, OPENING_BALANCE)
            return "opened"
        if command.later:
            self._set += 1
            self._later.append(
                (time_ns + MOVE_LATER_NS, self._set, Move(command.source, command.target, command.amount))
            )
            return "later"
        return self._move(command)

    def _move(self, move: Move) -> str:
        if self._balances[move.source] < move.amount:
            return "insufficient_funds"
        if move.source == move.target:
            return "same_account"
        self._balances[move.source] -= move.amount
        self._balances[move.target] += move.amount
        return "moved"


class Bank:
    """The workload."""

    name = "bank"

    def machine(self, shelf: Shelf, _: Place) -> Machine:
        return KeyedMachine("bank", commands=Open | Move, value=int, apply=apply, check=check, table=shelf.table())

    def opening(self) -> Sequence[Request]:
        return [Request(account.encode().ljust(16), encode_value(Open(account))) for account in ACCOUNTS]

    def request(self, random: Random) -> Request:
        source, target = random.choice(ACCOUNTS), random.choice(ACCOUNTS)
        move = Move(source, target, random.randint(0, 12), random.random() < 0.2)
        return Request(random.randbytes(16), encode_value(move))

    def query(self, random: Random) -> bytes:
        return encode_value(random.choice(ACCOUNTS))

    def judge(self) -> _Judge:
        return _Judge()
