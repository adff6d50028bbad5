"""A bank with a branch in each partition: money goes from account to account as a message, and comes back if refused.

    Pay ──► source's branch ──Bring──► (a branch that only passes it on ──Bring──►) target's branch
                 ▲                                                                       │ full
                 └──────────────Refund──────────── whoever sent the last Bring ◄──reply──┘

So there are messages with replies and without, messages that cause messages, and messages to one's own partition.
At every moment what the accounts hold and what is on the way is what was paid in.

Checked by: tests/proving/test_town.py, tests/canaries/test_town.py
"""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Final

import msgspec

from ropewalk.core.codec import encode_value
from ropewalk.core.effects import At, Publish, Replied, Send
from ropewalk.core.keyed import Applied, Entry, KeyedMachine
from ropewalk.core.machine import Batch, Machine, Received, Request
from ropewalk.core.place import Place
from ropewalk.data.shelf import Shelf
from ropewalk.errors import invariant
from ropewalk.proving.workload import Asked, Cut

ACCOUNTS: Final = tuple(f"account-{number}" for number in range(12))
PLACES: Final[Sequence[Place]] = [Place("town", number, 5) for number in range(5)]
OPENING_BALANCE: Final = 20
CEILING: Final = 30
PAY_LATER_NS: Final = 50_000_000


class Open(msgspec.Struct, frozen=True, tag=True):
    """Open an account with a balance, once."""

    account: str


class Pay(msgspec.Struct, frozen=True, tag=True):
    """Pay an amount, now or after a while, straight or over another branch."""

    source: str
    target: str
    amount: int
    over: str = ""
    later: bool = False


class Bring(msgspec.Struct, frozen=True, tag=True):
    """This was paid from `source`: put it into `target`, or pass it on."""

    source: str
    target: str
    amount: int
    over: str = ""


class Refund(msgspec.Struct, frozen=True, tag=True):
    """This could not be paid: it is yours again."""

    source: str
    amount: int


_Command = Open | Pay | Bring | Refund | Replied


def apply(state: Mapping[str, int], entry: Entry[_Command]) -> Applied[int]:
    """The rules of a branch."""
    match entry.command:
        case Open(account):
            return Applied("opened", {} if account in state else {account: OPENING_BALANCE})
        case Pay(source, target, amount, over, later=True):
            return Applied("later", effects=[At(entry.time_ns + PAY_LATER_NS, Pay(source, target, amount, over))])
        case Pay(source, target, amount, over):
            if state[source] < amount:
                return Applied("insufficient_funds")
            bring = Bring(source, target, amount, over)
            return Applied("sent", {source: state[source] - amount}, [_asking(over or target, bring)])
        case Bring(source, target, amount, over) if over:
            return Applied("passed_on", effects=[_asking(target, Bring(source, target, amount))])
        case Bring(_, target, amount):
            if state[target] + amount > CEILING:
                return Applied("full")
            return Applied("taken", {target: state[target] + amount}, [Publish("taken", target, amount)])
        case Refund(source, amount):
            return Applied("back", {source: state[source] + amount})
        case Replied(tag, reply):
            bring = msgspec.json.decode(tag, type=Bring)
            refund = Send(bring.source, Refund(bring.source, bring.amount))
            return Applied("heard", effects=[refund] if reply == "full" else [])


def _asking(to: str, bring: Bring) -> Send:
    """Bring it there, and hear whether it was taken: the tag says of what."""
    return Send(to, bring, tag=msgspec.json.encode(bring).decode())


def check(state: Mapping[str, int]) -> None:
    """Nobody owes."""
    invariant(all(balance >= 0 for balance in state.values()), "nobody owes", balances=dict(state))


class _Judge:
    """The same with nothing but a dict and a list."""

    def __init__(self) -> None:
        self._balances: dict[str, int] = {}
        self._later: list[tuple[int, int, Pay]] = []
        self._set = 0

    def expect(self, batch: Batch) -> Sequence[bytes]:
        due = sorted(timer for timer in self._later if timer[0] <= batch.time_ns)
        self._later = [timer for timer in self._later if timer[0] > batch.time_ns]
        for _, _, pay in due:
            self._pay(pay)
        answers = [self._hear(message) for message in batch.messages]
        answers += [self._answer(request, batch.time_ns) for request in batch.requests]
        return [encode_value(answer) for answer in answers]

    def check(self, machine: Machine) -> None:
        for account, balance in self._balances.items():
            answer = msgspec.msgpack.decode(machine.read(encode_value(account)))
            invariant(answer == balance, "the judge has the same balance", account=account, answer=answer)

    def _hear(self, message: Received) -> str:
        if message.is_reply:
            return "heard"
        command = msgspec.msgpack.decode(message.command, type=Bring | Refund)
        if isinstance(command, Refund):
            self._balances[command.source] += command.amount
            return "back"
        if command.over:
            return "passed_on"
        if self._balances[command.target] + command.amount > CEILING:
            return "full"
        self._balances[command.target] += command.amount
        return "taken"

    def _answer(self, request: Request, time_ns: int) -> str:
        command = msgspec.msgpack.decode(request.command, type=Open | Pay)
        if isinstance(command, Open):
            self._balances.setdefault(command.account, OPENING_BALANCE)
            return "opened"
        if command.later:
            self._set += 1
            self._later.append((time_ns + PAY_LATER_NS, self._set, command))
            return "later"
        return self._pay(command)

    def _pay(self, pay: Pay) -> str:
        if self._balances[pay.source] < pay.amount:
            return "insufficient_funds"
        self._balances[pay.source] -= pay.amount
        return "sent"


class Branches:
    """The workload."""

    places = PLACES
    quiet_s = 5.0

    def machine(self, shelf: Shelf, place: Place) -> Machine:
        return KeyedMachine(
            place.service,
            commands=Open | Pay,
            messages=Bring | Refund,
            value=int,
            apply=apply,
            check=check,
            place=place,
            table=shelf.table(),
        )

    def opening(self) -> Sequence[Asked]:
        return [
            (_branch(account), Request(account.encode().ljust(16), encode_value(Open(account))))
            for account in ACCOUNTS
        ]

    def request(self, random: Random) -> Asked:
        source, target, over = random.choice(ACCOUNTS), random.choice(ACCOUNTS), random.choice(ACCOUNTS)
        goes_over = random.random() < 0.3
        pay = Pay(source, target, random.randint(0, 12), over if goes_over else "", random.random() < 0.2)
        return _branch(source), Request(random.randbytes(16), encode_value(pay))

    def query(self, random: Random) -> tuple[str, bytes]:
        account = random.choice(ACCOUNTS)
        return _branch(account), encode_value(account)

    def judge(self, _: Place) -> _Judge:
        return _Judge()

    def check(self, cut: Cut) -> None:
        balances = [balance for account in ACCOUNTS if (balance := cut.read(_branch(account), account)) is not None]
        total = sum(balances) + sum(map(_carried, cut.on_the_way))
        invariant(total == OPENING_BALANCE * len(balances), "money is neither made nor lost", total=total)


def _branch(account: str) -> str:
    return PLACES[0].log_of(account)


def _carried(message: Received) -> int:
    """The money in a message: a payment, a refund, or the news of a payment that was refused."""
    if not message.is_reply:
        return msgspec.msgpack.decode(message.command, type=Bring | Refund).amount
    if message.command == encode_value("full"):
        return msgspec.json.decode(message.tag, type=Bring).amount
    return 0
