"""A service beside which sagas run.

    flights = with_sagas(flights, trip, others=[hotels])
    POST /sagas {"id": "t1", "saga": "trip", "input": {…}}

Sagas have logs of their own, `flights-sagas`, on the same engine.

Checked by: tests/runtime/test_sagas.py
"""

from collections.abc import Sequence
from functools import partial

import msgspec

from ropewalk.coordination.sagas.definition import Saga, definitions_of
from ropewalk.coordination.sagas.limits import SAGAS_KEPT_S
from ropewalk.coordination.sagas.machine import Rules, answer, apply, check
from ropewalk.coordination.sagas.messages import Command, Query, Reply, Timer
from ropewalk.coordination.sagas.state import Run
from ropewalk.runtime.neighbours import neighbours_of, with_beside
from ropewalk.runtime.sagas.calls import SUFFIX
from ropewalk.runtime.sagas.operations import saga_operations
from ropewalk.runtime.service import Service


def with_sagas(
    service: Service,
    *sagas: Saga,
    others: Sequence[Service] = (),
    kept_s: int = SAGAS_KEPT_S,
    partitions: int | None = None,
) -> Service:
    """The same service, and beside it its sagas, with operations under /sagas.

    Their steps go to the service itself, to those that are beside it already, and to `others`, which are led beside
    it too. Keep every version of a definition that a saga which has not ended was started with. One that has ended is
    remembered for `kept_s` seconds: until then its id starts no other, and an operator can undo it. There are as many
    `partitions` of sagas as of the service; say how many they were first run with when the service is split.
    """
    there = [service, *(follower.service for follower in service.followers)]
    rules = Rules(definitions_of(sagas), neighbours_of([*there, *others]), kept_s)
    own = Service.keyed(
        f"{service.name}{SUFFIX}",
        commands=Command,
        messages=Timer,
        value=Run,
        reply=Reply,
        queries=Query,
        apply=partial(apply, rules=rules),
        answer=partial(answer, rules=rules),
        check=check,
        key=_id,
        partitions=partitions or service.partitions,
    )
    operations = [*service.operations, *saga_operations(rules.definitions)]
    return msgspec.structs.replace(with_beside(service, *others, own), operations=operations)


def _id(message: msgspec.Struct) -> str:
    return str(getattr(message, "id", ""))
