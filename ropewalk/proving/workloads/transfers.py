"""Transactions of a keyed service: accounts in three partitions, and their coordinator in two.

At every moment that may have been, what the accounts have, and what is held of transactions that are committed, is
what there was at first. At rest nothing is held, and every transaction has ended.

Checked by: tests/proving/test_processes.py
"""

from collections.abc import Sequence
from itertools import permutations
from random import Random
from typing import Final

from ropewalk.coordination.commit import Decision
from ropewalk.coordination.transactions.messages import GetTransaction, ListTransactions
from ropewalk.core.codec import encode_value
from ropewalk.core.machine import Machine, Request
from ropewalk.core.place import Place
from ropewalk.data.shelf import Shelf
from ropewalk.errors import invariant
from ropewalk.proving.workload import Asked, Cut
from ropewalk.proving.workloads.accounts import Deposit, Move, bank

ACCOUNTS: Final = tuple(f"account-{number}" for number in range(5))
OPENING_BALANCE: Final = 10
IDS: Final = 60
TIMEOUT_S: Final = 1

_MOVES: Final = list(permutations(ACCOUNTS, 2))

BANK: Final = bank(3, coordinators=2, timeout_s=TIMEOUT_S)
COORDINATOR: Final = BANK.followers[0].service
SERVICES: Final = {each.name: each for each in (BANK, COORDINATOR)}
PLACES: Final[Sequence[Place]] = [place for each in SERVICES.values() for place in each.places]


class Transfers:
    """The workload."""

    places = PLACES
    quiet_s = TIMEOUT_S + 4.0

    def machine(self, shelf: Shelf, place: Place) -> Machine:
        return SERVICES[place.service].machine(shelf, place)

    def opening(self) -> Sequence[Asked]:
        deposits = {name: encode_value(Deposit(name, OPENING_BALANCE)) for name in ACCOUNTS}
        return [(BANK.log_of(name), Request(name.encode().ljust(16), paid)) for name, paid in deposits.items()]

    def request(self, random: Random) -> Asked:
        number = random.randrange(IDS)
        source, target = _MOVES[number % len(_MOVES)]
        move = Move(f"move-{number}", source, target, 1 + number % 6)
        return COORDINATOR.log_of(move.id), Request(random.randbytes(16), encode_value(move))

    def query(self, random: Random) -> tuple[str, bytes]:
        account = random.choice(ACCOUNTS)
        return BANK.log_of(account), encode_value(account)

    def judge(self, _: Place) -> None:
        return None

    def check(self, cut: Cut) -> None:
        accounts = [account for name in ACCOUNTS if (account := cut.read(BANK.log_of(name), name)) is not None]
        held = [(id_, amount) for account in accounts for id_, amount in account["held"].items()]
        decided = {id_: cut.read(COORDINATOR.log_of(id_), GetTransaction(id_))["decision"] for id_, _ in held}
        coming = sum(amount for id_, amount in held if decided[id_] == Decision.COMMITTED)
        total = sum(account["balance"] for account in accounts) + coming
        invariant(total == OPENING_BALANCE * len(accounts), "no transaction is half done", total=total, held=held)
        if cut.is_at_rest:
            query = ListTransactions()
            still_open = [each for place in COORDINATOR.places for each in cut.read(place.log_name, query)]
            invariant(not still_open and not held, "at rest all have ended", open=still_open, held=held)
