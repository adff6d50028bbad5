"""Payments in five shards: few accounts, tight limits, few ids, and transfers that more often than not leave theirs.

What is seen of all shards together: what one has sent to another is what that one has taken, but for what is held for
it; the accounts' balances and what is on the way sum to nothing. At rest nothing is held for anybody and nothing
undecided, and a transfer that was posted anywhere was posted in the shards of both of its accounts.

Checked by: tests/proving/test_town.py, tests/canaries/test_payments_town.py
"""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Final

import numpy as np

from ropewalk.core.machine import NO_ID, Machine, Request
from ropewalk.core.place import Place
from ropewalk.data.shelf import Shelf
from ropewalk.errors import invariant
from ropewalk.proving.workload import Asked, Cut
from ropewalk.systems.payments.ledger.commands import Operation, decode_reply, encode
from ropewalk.systems.payments.ledger.hot import HELD, PENDING, POSTED
from ropewalk.systems.payments.ledger.layout import (
    ACCOUNT,
    TRANSFER,
    AccountFlags,
    TransferFlags,
    get,
    ids_of,
    rows_of,
)
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.machine import PaymentsMachine
from ropewalk.systems.payments.shards.addresses import shard_of
from ropewalk.systems.payments.shards.limits import Patience
from ropewalk.systems.payments.shards.messages import CreateTogether, TakeCut
from ropewalk.systems.payments.shards.messages import encode as encode_between

PLACES: Final[Sequence[Place]] = [Place("payments", number, 5) for number in range(5)]
PATIENCE: Final = Patience(decides_within_ns=300_000_000, asks_after_ns=600_000_000, undecided_max=4)

LEDGER: Final = 1
_LIMITED: Final = AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS
FUNDS: Final = 40
_IDS_MAX: Final = 150
_TRANSFERS: Final = ids_of(range(1, _IDS_MAX + 1))


def _halves() -> list[int]:
    """For each shard an upper half of ids whose accounts are kept there."""
    return [
        next(half for half in range(1, 1_000) if shard_of(half << 64, place) == place.partition) for place in PLACES
    ]


HALVES: Final = _halves()
_BANKS: Final = [half << 64 | 9 for half in HALVES]
CUSTOMERS: Final = [[half << 64 | number for number in (1, 2)] for half in HALVES]
_ACCOUNTS: Final = [[bank, *customers] for bank, customers in zip(_BANKS, CUSTOMERS, strict=True)]


class Shards:
    """The workload."""

    places = PLACES
    quiet_s = 5.0

    def machine(self, shelf: Shelf, place: Place) -> Machine:
        ledger = Ledger(shelf, segment_rows=64, piece_entries=16)
        return PaymentsMachine(shelf, place=place, patience=PATIENCE, ledger=ledger)

    def opening(self) -> Sequence[Asked]:
        return [asked for place in PLACES for asked in _opening(place)]

    def request(self, random: Random) -> Asked:
        shard = random.randrange(len(PLACES))
        if random.random() < 0.2:
            rows = [_transfer(random, random.randrange(len(PLACES))) for _ in range(random.randint(1, 3))]
            rows[0] = _transfer(random, shard)
            command = encode_between(CreateTogether(rows_of(TRANSFER, rows).tobytes()))
        else:
            rows = [_any_transfer(random, shard) for _ in range(random.choice((1, 1, 2, 4)))]
            command = encode(Operation.CREATE_TRANSFERS, rows_of(TRANSFER, rows))
        return PLACES[shard].log_name, Request(random.choice((NO_ID, random.randbytes(16))), command)

    def query(self, random: Random) -> tuple[str, bytes]:
        shard = random.randrange(len(PLACES))
        query = encode(Operation.LOOKUP_TRANSFERS, ids_of([random.randint(1, _IDS_MAX) for _ in range(5)]))
        if random.random() < 0.5:
            query = encode_between(TakeCut(_LOOKUPS[shard]))
        return PLACES[shard].log_name, query

    def judge(self, _: Place) -> None:
        return None

    def check(self, cut: Cut) -> None:
        answers = [_Answer(shard, cut.machines[place.log_name]) for shard, place in enumerate(PLACES)]
        on_the_way = sum(
            _between(ours, theirs) for ours in answers for theirs in answers if ours.shard != theirs.shard
        )
        total = sum(answer.balance for answer in answers)
        invariant(total + on_the_way == 0, "money is neither made nor lost", total=total, on_the_way=on_the_way)
        if cut.is_at_rest:
            invariant(on_the_way == 0, "no money is on the way at rest", on_the_way=on_the_way)
            _check_rest([cut.machines[place.log_name] for place in PLACES], answers)


class _Answer:
    """What a shard says of its accounts and of those that stand in it for other shards."""

    def __init__(self, shard: int, machine: Machine) -> None:
        self.shard = shard
        assert isinstance(machine, PaymentsMachine)
        accounts = decode_reply(Operation.LOOKUP_ACCOUNTS, machine.read(_LOOKUPS[shard]))
        peers, standing = machine.shards.state.holds.between.accounts(LEDGER)
        self.balance = int(accounts["credits_posted_low"].sum()) - int(accounts["debits_posted_low"].sum())
        self.held = sum(
            int(rows[f"{side}_pending_low"].sum()) for rows in (accounts, standing) for side in ("debits", "credits")
        )
        self.standing = dict(zip(peers, standing, strict=True))

    def towards(self, peer: int, side: str) -> tuple[int, int]:
        """What was ever sent to another shard (credits) or taken from it (debits), and what is held beside."""
        row = self.standing.get(peer)
        return (get(row, f"{side}_posted"), get(row, f"{side}_pending")) if row is not None else (0, 0)


def _between(ours: _Answer, theirs: _Answer) -> int:
    """The money that has left one shard and has not come to the other; less than 0 if it came before it left."""
    sent, leaving = ours.towards(theirs.shard, "credits")
    taken, coming = theirs.towards(ours.shard, "debits")
    invariant(
        -leaving <= sent - taken <= coming,
        "only what is held is on the way",
        sender=ours.shard, receiver=theirs.shard, sent=sent, taken=taken, leaving=leaving, coming=coming,
    )  # fmt: skip
    return sent - taken


def _check_rest(machines: Sequence[Machine], answers: Sequence[_Answer]) -> None:
    for answer in answers:
        invariant(answer.held == 0, "nothing is held at rest", shard=answer.shard, held=answer.held)
    states = [_states(machine) for machine in machines]
    for machine, own in zip(machines, states, strict=True):
        posted = ids_of([number for number, state in own.items() if state == POSTED])
        if posted.size:
            found = machine.read(encode(Operation.LOOKUP_TRANSFERS, posted))
            for row in decode_reply(Operation.LOOKUP_TRANSFERS, found):
                _check_whole(row, states)


def _states(machine: Machine) -> Mapping[int, int]:
    """The state of each transfer that clients may have asked for; of the machine itself, that nothing is open."""
    assert isinstance(machine, PaymentsMachine)
    open_ = len(machine.shards.state.own) + len(machine.shards.state.promised)
    invariant(open_ == 0, "nothing is undecided at rest", open=open_)
    states = machine.accounting.ledger.states_of(_TRANSFERS).tolist()
    invariant(PENDING not in states and HELD not in states, "no transfer is pending at rest", states=states)
    return dict(enumerate(states, start=1))


def _check_whole(row: np.void, states: Sequence[Mapping[int, int]]) -> None:
    """A transfer that was posted in one shard was posted in the shards of both of its accounts."""
    number = get(row, "id")
    homes = [shard_of(get(row, f"{side}_account_id"), PLACES[0]) for side in ("debit", "credit")]
    told = [states[home][number] for home in homes]
    invariant(told == [POSTED, POSTED], "no transfer is half done", number=number, homes=homes, states=told)


def _opening(place: Place) -> list[Asked]:
    """A bank and customers in one shard, and money for each customer."""
    bank, customers = _BANKS[place.partition], CUSTOMERS[place.partition]
    accounts = [{"id": bank, "ledger": LEDGER, "code": 1}]
    accounts += [{"id": each, "ledger": LEDGER, "code": 1, "flags": _LIMITED} for each in customers]
    funds = [
        _row(_IDS_MAX + 1 + number, bank, customer) | {"amount": FUNDS} for number, customer in enumerate(customers)
    ]
    commands = (
        encode(Operation.CREATE_ACCOUNTS, rows_of(ACCOUNT, accounts)),
        encode(Operation.CREATE_TRANSFERS, rows_of(TRANSFER, funds)),
    )
    return [(place.log_name, Request(NO_ID, command)) for command in commands]


def _any_transfer(random: Random, shard: int) -> dict[str, int]:
    """One that its shard is asked for: plain to anywhere, or pending for a while, or one that resolves such a one."""
    flags = random.choice(_KINDS)
    if flags & TransferFlags.PENDING:
        return _transfer(random, shard, elsewhere=0.1) | {"flags": flags, "timeout": 1}
    if flags:
        resolves = {"flags": flags, "pending_id": random.randint(1, _IDS_MAX), "amount": random.randint(0, 6)}
        return {"id": random.randint(1, _IDS_MAX)} | resolves
    return _transfer(random, shard)


def _transfer(random: Random, shard: int, *, elsewhere: float = 0.7) -> dict[str, int]:
    target = random.randrange(len(PLACES)) if random.random() < elsewhere else shard
    debit, credit = random.choice(CUSTOMERS[shard]), random.choice(CUSTOMERS[target])
    expires = {"timeout": 1} if random.random() < 0.05 else {}
    return _row(random.randint(1, _IDS_MAX), debit, credit) | {"amount": random.randint(0, 15)} | expires


_KINDS: Final = (
    *[TransferFlags(0)] * 8,
    TransferFlags.PENDING,
    TransferFlags.POST_PENDING_TRANSFER,
    TransferFlags.VOID_PENDING_TRANSFER,
)


def _row(number: int, debit: int, credit: int) -> dict[str, int]:
    return {"id": number, "debit_account_id": debit, "credit_account_id": credit, "ledger": LEDGER, "code": 1}


_LOOKUPS: Final = [encode(Operation.LOOKUP_ACCOUNTS, ids_of(accounts)) for accounts in _ACCOUNTS]
