"""Transfers of a keyed service, killed at each record of their two-phase commits: accounts' and coordinators'.

python -m tests.runtime.killed_transactions FOLDER
"""

from typing import Any

from ropewalk.proving.workloads.accounts import Account, Deposit, Move, bank
from ropewalk.runtime.node import Node
from ropewalk.runtime.transactions.calls import transact, transactions
from tests.killed import Story, die_at_each_record

SERVICE = bank(3, coordinators=2)
MOVES = (Move("m1", "ada", "ben", 30), Move("m2", "ben", "cleo", 500), Move("m3", "ada", "cleo", 20))
"""The second is more than there is: it is aborted, whatever dies."""

NAMES = ("ada", "ben", "cleo")


async def deposit(node: Node) -> None:
    for name in NAMES:
        await node.call(Deposit(name, 100))


async def work(node: Node) -> None:
    for move in MOVES:
        await transact(node, move)
    await settle(node)


async def settle(node: Node) -> None:
    """Wait until every transaction has ended and nothing is on its way."""
    coordinators = node.followers["bank-transactions"]
    leaders = [*node.leaders, *coordinators.leaders]
    while await transactions(node) or any(each.partition.mailbox.waiting for each in leaders):
        await leaders[0].wait_events(leaders[0].partition.feed.last, deadline_s=0.01)


async def look(node: Node) -> dict[str, Any]:
    """What a start finds, and what asking again tells."""
    await settle(node)
    at_rest = await _balances(node)
    told = {move.id: (await transact(node, move)).decision for move in MOVES}
    await settle(node)
    return {"at rest": at_rest, "told": told, "in the end": await _balances(node)}


async def _balances(node: Node) -> list[int]:
    """What each has; raises AssertionError if something is held."""
    accounts = [(await node.get(name)).value for name in NAMES]
    assert all(isinstance(each, Account) and not each.held for each in accounts), accounts
    return [each.balance for each in accounts if isinstance(each, Account)]


if __name__ == "__main__":
    die_at_each_record(Story(SERVICE, deposit, work, look))
