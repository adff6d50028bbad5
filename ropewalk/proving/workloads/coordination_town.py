"""Coordination in five partitions: the same few names in each, which no other partition may know of.

Beside each partition's judge and what its clients saw, whoever holds a claim is noted after every record: a number
that was given out stays whose it is, for ever.

Checked by: tests/proving/test_town.py, tests/canaries/test_town.py
"""

from collections.abc import Sequence
from random import Random
from typing import Final, cast

import msgspec

from ropewalk.coordination.recipes.messages import Claims, GetClaims, Kind
from ropewalk.core.codec import encode_value
from ropewalk.core.machine import Machine, Request
from ropewalk.core.place import Place
from ropewalk.data.shelf import Shelf
from ropewalk.errors import invariant
from ropewalk.proving.history import Acknowledged
from ropewalk.proving.workload import Asked, Cut
from ropewalk.proving.workloads.coordination import ELECTION, POOL, Coordination
from ropewalk.proving.workloads.coordination_clients import LOCKS
from ropewalk.proving.workloads.coordination_judge import CoordinationJudge

_PLACES: Final[Sequence[Place]] = [Place(Coordination.name, number, 5) for number in range(5)]
_CLAIMS: Final = (*(("lock", name) for name in LOCKS), ("semaphore", POOL), ("election", ELECTION))
_QUERIES: Final = {f"{kind}:{name}": encode_value(GetClaims(name, cast(Kind, kind))) for kind, name in _CLAIMS}
_ANSWERS: Final = msgspec.msgpack.Decoder(Claims)


class CoordinationTown:
    """The workload of one town, which remembers who held what in it."""

    places = _PLACES
    quiet_s = 5.0

    def __init__(self) -> None:
        self._one = Coordination()
        self._holders: dict[tuple[str, int], tuple[str, str]] = {}

    def machine(self, shelf: Shelf, place: Place) -> Machine:
        return self._one.machine(shelf, place)

    def opening(self) -> Sequence[Asked]:
        return [(place.log_name, request) for place in _PLACES for request in self._one.opening()]

    def request(self, random: Random) -> Asked:
        return random.choice(_PLACES).log_name, self._one.request(random)

    def query(self, random: Random) -> tuple[str, bytes]:
        return random.choice(_PLACES).log_name, self._one.query(random)

    def judge(self, _: Place) -> CoordinationJudge:
        return self._one.judge()

    def check_clients(self, acknowledged: Sequence[Acknowledged], written: Sequence[Request]) -> None:
        self._one.check_clients(acknowledged, written)

    def check(self, cut: Cut) -> None:
        for log, machine in cut.machines.items():
            for claim, query in _QUERIES.items():
                for holder in _ANSWERS.decode(machine.read(query)).held:
                    mine = claim, holder.session
                    whose = self._holders.setdefault((log, holder.token), mine)
                    invariant(
                        whose == mine,
                        "no two hold one fencing token",
                        log=log,
                        token=holder.token,
                        whose=whose,
                        mine=mine,
                    )
