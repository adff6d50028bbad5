"""A service whose keys of several partitions can be changed together.

    bank = with_transactions(bank, commands=Move, parts=parts_of)
    POST /transactions/Move {"id": "m1", "source": "ada", …}

Transactions have logs of their own, `bank-transactions`, on the same engine.

Checked by: tests/runtime/test_transactions.py
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar, cast

import msgspec

from ropewalk.coordination.transactions.limits import TRANSACTION_TIMEOUT_S
from ropewalk.coordination.transactions.machine import Rules, answer, apply, check
from ropewalk.coordination.transactions.messages import (
    Ask,
    Expire,
    Forget,
    Identified,
    Part,
    Query,
    Reply,
    Transaction,
)
from ropewalk.errors import Rejected
from ropewalk.runtime.neighbours import neighbours_of, with_beside
from ropewalk.runtime.service import Service
from ropewalk.runtime.transactions.calls import SUFFIX
from ropewalk.runtime.transactions.operations import transaction_operations

T = TypeVar("T", bound=Identified)

_S: Final = 10**9


def with_transactions(
    service: Service,
    *,
    commands: object,
    parts: Callable[[T], Sequence[Part]],
    timeout_s: int = TRANSACTION_TIMEOUT_S,
    others: Sequence[Service] = (),
    partitions: int | None = None,
) -> Service:
    """The same service, and beside it the coordinator of its transactions, with operations under /transactions.

    `commands` is what callers ask for, each with an `id`; `parts` says what one does, at each key once: a transaction
    with two parts at one key is refused. `others` are services that take part too, and are led beside it. Votes are
    waited for `timeout_s` seconds. The coordinator has as many `partitions` as the service; say how many it was first
    run with when the service is split.
    Raises Rejected if one that takes part does not tell what is held, so that a Strong read could show half.
    """
    for each in (service, *others):
        if not each.has_holds:
            raise Rejected(f"{each.name} does not tell which transactions hold something of a value: give `held_by`")
    rules = Rules(service.name, parts, neighbours_of([service, *others]), timeout_s * _S)
    own = Service.keyed(
        f"{service.name}{SUFFIX}",
        commands=commands,
        messages=Ask | Expire | Forget,
        value=Transaction,
        reply=Reply,
        queries=Query,
        apply=partial(apply, rules=rules),
        answer=answer,
        check=check,
        key=lambda message: cast(Identified, message).id,
        partitions=partitions or service.partitions,
    )
    operations = [*service.operations, *transaction_operations(commands)]
    return msgspec.structs.replace(with_beside(service, *others, own), operations=operations)
