"""Chains of payments through five shards: sagas in five partitions beside them, which operators turn back anywhere.

At rest every chain has ended or is listed as stuck. Of those that have ended the completed ones have moved their
money from payer to payee, over what the one's institution owes and the other's is owed; the rest have moved nothing.

Checked by: tests/proving/test_town.py, tests/canaries/test_payments_town.py
"""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Final

import msgspec

from ropewalk.coordination.sagas.definition import Saga
from ropewalk.coordination.sagas.messages import Compensate, GetSaga, ListSagas, Start
from ropewalk.coordination.sagas.state import State
from ropewalk.core.codec import encode_value
from ropewalk.core.machine import NO_ID, Machine, Request
from ropewalk.core.place import Place
from ropewalk.data.shelf import Shelf
from ropewalk.errors import invariant
from ropewalk.proving.workload import Asked, Cut
from ropewalk.proving.workloads.shards import CUSTOMERS, FUNDS, HALVES, LEDGER, PLACES, Shards
from ropewalk.runtime.sagas.service import with_sagas
from ropewalk.runtime.service import Service
from ropewalk.systems.payments.chains.service import Chain, chain_saga
from ropewalk.systems.payments.ledger.commands import Operation, decode_reply, encode
from ropewalk.systems.payments.ledger.layout import ACCOUNT, TRANSFER, get, ids_of, rows_of

CHAINS: Final = 80
"""Those that clients start, again and again; a chain's number says everything of it."""

_TIMEOUT_S: Final = 1
_OWED: Final = [half << 64 | 8 for half in HALVES]
"""For each shard what its institution owes others, less what it is owed."""
_SHOPS: Final = [half << 64 | 7 for half in HALVES]
"""Where customers of a shard spend what they have, so that it can't be taken back."""
_SPENDS_MAX: Final = 1_000


def _impatient(saga: Saga) -> Saga:
    """The same, which waits for no step as long as a way may be cut."""
    steps = [msgspec.structs.replace(step, timeout_s=_TIMEOUT_S) for step in saga.steps]
    return msgspec.structs.replace(saga, steps=steps)


def _sagas() -> Service:
    """What runs beside payments."""
    payments = Service(PLACES[0].service, Shards().machine, partitions=len(PLACES))
    [follower] = with_sagas(payments, _impatient(chain_saga(PLACES[0]))).followers
    return follower.service


class Chains:
    """The workload."""

    # Pauses between the tries of a step that fails double three times.
    quiet_s = 30.0

    def __init__(self) -> None:
        self._sagas = _sagas()
        self._shards = Shards()
        self._places = [Place(self._sagas.name, number, len(PLACES)) for number in range(len(PLACES))]
        self.places: Sequence[Place] = [*PLACES, *self._places]

    def machine(self, shelf: Shelf, place: Place) -> Machine:
        made_by = self._shards if place in PLACES else self._sagas
        return made_by.machine(shelf, place)

    def opening(self) -> Sequence[Asked]:
        rows = [
            [{"id": account, "ledger": LEDGER, "code": 1} for account in both]
            for both in zip(_OWED, _SHOPS, strict=True)
        ]
        opened = [
            (place.log_name, Request(NO_ID, encode(Operation.CREATE_ACCOUNTS, rows_of(ACCOUNT, own))))
            for place, own in zip(PLACES, rows, strict=True)
        ]
        return [*self._shards.opening(), *opened]

    def request(self, random: Random) -> Asked:
        if random.random() < 0.3:
            return _spend(random, random.randrange(len(PLACES)))
        chain = _chain(random.randrange(CHAINS))
        command: Start | Compensate = Start(chain.id, "chain", msgspec.to_builtins(chain))
        if random.random() < 0.2:
            command = Compensate(chain.id, "ada", "paid by mistake")
        return self._log_of(chain), Request(random.randbytes(16), encode_value(command))

    def query(self, random: Random) -> tuple[str, bytes]:
        chain = _chain(random.randrange(CHAINS))
        return self._log_of(chain), encode_value(GetSaga(chain.id))

    def judge(self, _: Place) -> None:
        return None

    def check(self, cut: Cut) -> None:
        if not cut.is_at_rest:
            return
        chains = {
            chain: self._state(cut.machines[self._log_of(chain)], chain.id) for chain in map(_chain, range(CHAINS))
        }
        stuck = [chain for chain, state in chains.items() if state == State.STUCK]
        self._check_listed(cut.machines, stuck)
        unknown = {_shard(account) for chain in stuck for account in (chain.payer, chain.payee)}
        completed = [chain for chain, state in chains.items() if state == State.COMPLETED]
        for shard, place in enumerate(PLACES):
            if shard not in unknown:
                _check_shard(cut.machines[place.log_name], shard, completed)

    def _state(self, machine: Machine, chain: str) -> str:
        """How a chain is at rest; empty if nobody has started it."""
        view = msgspec.msgpack.decode(machine.read(encode_value(GetSaga(chain))))
        if "summary" not in view:
            return ""
        state = view["summary"]["state"]
        has_ended = state in (State.COMPLETED, State.COMPENSATED, State.STUCK)
        invariant(has_ended, "every chain has ended at rest or is stuck", view=view)
        return str(state)

    def _check_listed(self, machines: Mapping[str, Machine], stuck: Sequence[Chain]) -> None:
        query = encode_value(ListSagas(State.STUCK, limit=CHAINS))
        pages = [msgspec.msgpack.decode(machines[place.log_name].read(query)) for place in self._places]
        listed = sorted(each["id"] for page in pages for each in page)
        invariant(listed == sorted(chain.id for chain in stuck), "what is stuck is listed", listed=listed)

    def _log_of(self, chain: Chain) -> str:
        return self._places[0].log_of(chain.id)


def _check_shard(machine: Machine, shard: int, completed: Sequence[Chain]) -> None:
    """Customers, with what they have spent, and their institution have what completed chains have brought."""
    customers = [*CUSTOMERS[shard], _SHOPS[shard]]
    expected = [FUNDS * len(CUSTOMERS[shard]), 0]
    for chain in completed:
        for account, sign in ((chain.payer, -1), (chain.payee, 1)):
            if int(account) in customers:
                expected[0] += sign * chain.amount
                expected[1] -= sign * chain.amount
    found = [_balances(machine, accounts) for accounts in (customers, [_OWED[shard]])]
    balances = [sum(posted for posted, _ in each) for each in found]
    invariant(balances == expected, "no chain is half done", shard=shard, balances=balances, expected=expected)
    invariant(
        not any(held for each in found for _, held in each), "nothing is reserved at rest", shard=shard, found=found
    )


def _balances(machine: Machine, accounts: Sequence[int]) -> list[tuple[int, int]]:
    """What each account has, and what is pending on either side of it."""
    rows = decode_reply(Operation.LOOKUP_ACCOUNTS, machine.read(encode(Operation.LOOKUP_ACCOUNTS, ids_of(accounts))))
    return [
        (
            get(row, "credits_posted") - get(row, "debits_posted"),
            get(row, "credits_pending") + get(row, "debits_pending"),
        )
        for row in rows
    ]


def _spend(random: Random, shard: int) -> Asked:
    row = {
        "id": random.randint(1, _SPENDS_MAX),
        "debit_account_id": random.choice(CUSTOMERS[shard]),
        "credit_account_id": _SHOPS[shard],
        "amount": random.randint(1, 15),
        "ledger": LEDGER,
        "code": 1,
    }
    command = encode(Operation.CREATE_TRANSFERS, rows_of(TRANSFER, [row]))
    return PLACES[shard].log_name, Request(random.randbytes(16), command)


def _chain(number: int) -> Chain:
    random = Random(number)
    source, target = random.sample(range(len(PLACES)), 2)
    return Chain(
        id=f"chain-{number}",
        payer=str(random.choice(CUSTOMERS[source])),
        payer_bank=str(_OWED[source]),
        payee_bank=str(_OWED[target]),
        payee=str(random.choice(CUSTOMERS[target])),
        amount=random.randint(1, 15),
    )


def _shard(account: str) -> int:
    return HALVES.index(int(account) >> 64)
