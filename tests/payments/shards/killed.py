"""Transfers between two shards of payments, killed at each record of their two-phase commits.

python -m tests.payments.shards.killed FOLDER
"""

from typing import Any

from ropewalk.core.machine import NO_ID
from ropewalk.core.place import Place
from ropewalk.data.reads import STRONG
from ropewalk.engines.memory import MemoryShelf
from ropewalk.runtime.node import Node
from ropewalk.systems.payments.ledger.commands import Operation, encode
from ropewalk.systems.payments.ledger.layout import ACCOUNT, TRANSFER, get, ids_of, rows_of
from ropewalk.systems.payments.rest.across import create, create_together, waits
from ropewalk.systems.payments.rest.reading import look_up, sees
from ropewalk.systems.payments.service import payments_with
from tests.killed import Story, die_at_each_record
from tests.payments.shards.town import account, name_of, transfer

SHARDS = 2
SERVICE = payments_with(shards=SHARDS)
A, B, NOBODY = account(1, 0, shards=SHARDS), account(1, 1, shards=SHARDS), account(7, 1, shards=SHARDS)
EACH = [transfer(1, A, B, 3), transfer(2, A, NOBODY, 4)]
TOGETHER = [transfer(3, A, B, 5), transfer(4, B, A, 2)]


async def open_accounts(node: Node) -> None:
    rows = rows_of(ACCOUNT, [{"id": each, "ledger": 1, "code": 1} for each in (A, B)])
    await create(node, encode(Operation.CREATE_ACCOUNTS, rows), waits(NO_ID, deadline_s=60))


async def pay(node: Node) -> list[list[str]]:
    """Make the transfers, each on its own and then together; return what became of them."""
    told = []
    for make, rows in ((create, EACH), (create_together, TOGETHER)):
        command = encode(Operation.CREATE_TRANSFERS, rows_of(TRANSFER, rows))
        results, _ = await make(node, command, waits(NO_ID, deadline_s=60))
        told.append([name_of(status) for status in results["status"].tolist()])
    return told


async def settle(node: Node) -> None:
    """Wait until nothing is undecided, and nothing is on its way."""
    partitions = [leader.partition for leader in node.leaders]
    while any(_is_open(partition.machine) or partition.mailbox.waiting for partition in partitions):
        leader = node.leaders[0]
        await leader.wait_events(leader.partition.feed.last, deadline_s=0.01)


def _is_open(machine: Any) -> bool:
    state = machine.shards.state
    return bool(state.own or state.promised)


async def work(node: Node) -> None:
    await pay(node)
    await settle(node)


async def look(node: Node) -> dict[str, Any]:
    """What a start finds, what it makes of that, and what asking again tells."""
    await settle(node)
    at_rest = await _balances(node)
    told = await pay(node)
    await settle(node)
    return {"at rest": at_rest, "told": told, "in the end": await _balances(node)}


async def _balances(node: Node) -> list[int]:
    """What both have; raises AssertionError if something is held."""
    rows, _ = await look_up(node, Operation.LOOKUP_ACCOUNTS, ids_of([A, B]), sight=sees(STRONG, deadline_s=60))
    assert not rows["debits_pending_low"].any()
    assert not rows["credits_pending_low"].any()
    return [get(row, "credits_posted") - get(row, "debits_posted") for row in rows]


if __name__ == "__main__":
    # Compiled here once, and not in each child.
    SERVICE.machine(MemoryShelf(), Place("payments", 0, SHARDS))
    die_at_each_record(Story(SERVICE, open_accounts, work, look))
