"""What goes between shards: transfers by two-phase commit, and the messages that carry it, in four partitions.

A call is 8,190 transfers from accounts of one shard to accounts of the others, made as an edge makes it: sent to the
shard that decides, and answered when all of them are decided. Each call takes ten records or fewer: its own, and for
each other shard the question, the vote and the decision. For messages, a keyed service is told to send: what is timed
is until the last has taken effect.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from statistics import median
from typing import Final

import msgspec
import numpy as np

from benchmarks.driving import drive
from benchmarks.measures import Measure, Result, Round, Setting, latencies
from benchmarks.rows.shards_postgresql import ACROSS
from ropewalk import Applied, Entry, Service, open_engine, open_node
from ropewalk.core.codec import encode_value
from ropewalk.core.effects import Send
from ropewalk.core.machine import NO_ID, Request
from ropewalk.core.place import Place
from ropewalk.runtime.node import Node
from ropewalk.systems.payments.ledger.commands import Operation, encode
from ropewalk.systems.payments.ledger.layout import ACCOUNT, TRANSFER, Rows
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from ropewalk.systems.payments.rest.across import create, waits
from ropewalk.systems.payments.service import payments_with
from ropewalk.systems.payments.shards.addresses import shard_of

_SHARDS = 4
_ACCOUNTS = 2_500
_BATCH = 8_190
_CALLERS = 8
_CALLS = 120
_WARM_UP_CALLS = 8
_DEADLINE_S = 60.0

_MESSAGES = 1_000
_MESSAGE_CALLS = 300
_POLL_S = 0.002


def run_transfers(setting: Setting) -> Result:
    """Measure transfers a second from shard to shard."""
    rounds = asyncio.run(_transfer_rounds(setting))
    rate = median(each.per_second for each in rounds)
    name = "transfers across shards by two-phase commit, 4 partitions, batches of 8,190"
    against = {ACROSS: rate}
    return Result(
        [Measure(name, "transfers/s", rate, must=15_000, aim=60_000, against=against, details=latencies(rounds))]
    )


def run_messages(setting: Setting) -> Result:
    """Measure messages a second from partition to partition."""
    rounds = asyncio.run(_message_rounds(setting))
    rate = median(each.per_second for each in rounds)
    name = "messages between partitions, keyed service, 4 partitions"
    return Result([Measure(name, "messages/s", rate, must=50_000, aim=150_000, details=latencies(rounds))])


async def _transfer_rounds(setting: Setting) -> list[Round]:
    async with open_node(payments_with(shards=_SHARDS), open_engine(f"sqlite:{setting.folder}")) as node:
        load = _Load()
        await load.open_accounts(node)
        rounds = []
        for number in range(setting.scale.rounds + 1):
            count = setting.scale.count(_CALLS) if number else _WARM_UP_CALLS
            calls = [_transfers(node, load.command(call % _SHARDS)) for call in range(count)]
            rounds.append(await drive(iter(calls), callers=_CALLERS, work_per_call=_BATCH))
            setting.tell(f"round {number}")
        return rounds[1:]


def _transfers(node: Node, command: bytes) -> Callable[[], Awaitable[None]]:
    async def call() -> None:
        results, _ = await create(node, command, waits(NO_ID, deadline_s=_DEADLINE_S))
        created = int(np.count_nonzero(results["status"] == TransferStatus.CREATED))
        if created != _BATCH:
            raise AssertionError(f"{created} of {_BATCH} transfers were created")

    return call


class _Load:
    """Accounts of each shard, and transfers from one shard's to those of the others."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(24)
        self._made = 0
        halves: dict[int, int] = {}
        for half in range(1, 1_000):
            halves.setdefault(shard_of(half << 64, Place("payments", 0, _SHARDS)), half)
        self._halves = np.array([halves[shard] for shard in range(_SHARDS)], "u8")

    async def open_accounts(self, node: Node) -> None:
        for half in self._halves:
            rows = np.zeros(_ACCOUNTS, ACCOUNT)
            rows["id_low"], rows["id_high"] = np.arange(1, _ACCOUNTS + 1), half
            rows["ledger"] = rows["code"] = 1
            await create(node, encode(Operation.CREATE_ACCOUNTS, rows), waits(NO_ID, deadline_s=_DEADLINE_S))

    def command(self, shard: int) -> bytes:
        """The next transfers, all from one shard."""
        rows: Rows = np.zeros(_BATCH, TRANSFER)
        rows["id_low"] = np.arange(self._made + 1, self._made + _BATCH + 1)
        self._made += _BATCH
        others = (shard + self._random.integers(1, _SHARDS, _BATCH)) % _SHARDS
        rows["debit_account_id_low"] = self._random.integers(1, _ACCOUNTS + 1, _BATCH)
        rows["debit_account_id_high"] = self._halves[shard]
        rows["credit_account_id_low"] = self._random.integers(1, _ACCOUNTS + 1, _BATCH)
        rows["credit_account_id_high"] = self._halves[others]
        rows["amount_low"] = self._random.integers(1, 1_000, _BATCH)
        rows["ledger"] = rows["code"] = 1
        return encode(Operation.CREATE_TRANSFERS, rows)


class Tell(msgspec.Struct, frozen=True, tag=True):
    """Send one message from a key to another."""

    source: str
    target: str


class Count(msgspec.Struct, frozen=True, tag=True):
    """One more message has come to a key."""

    target: str


def apply(counts: Mapping[str, int], entry: Entry[Tell | Count]) -> Applied[int]:
    """A message is counted where it is told."""
    match entry.command:
        case Tell(_, target):
            return Applied("told", effects=[Send(target, Count(target))])
        case Count(target):
            return Applied("counted", {target: counts.get(target, 0) + 1})


TELLERS: Final = Service.keyed(
    "tellers",
    commands=Tell,
    messages=Count,
    value=int,
    reply=str,
    apply=apply,
    key=lambda command: command.source,
    partitions=_SHARDS,
)


async def _message_rounds(setting: Setting) -> list[Round]:
    keys = _keys()
    async with open_node(TELLERS, open_engine(f"sqlite:{setting.folder}")) as node:
        rounds = []
        sent = 0
        for number in range(setting.scale.rounds + 1):
            count = setting.scale.count(_MESSAGE_CALLS) if number else _WARM_UP_CALLS
            sent += count
            last = sent

            async def all_counted(last: int = last) -> None:
                """The last call of a round: it ends when every message has taken effect."""
                while sum([(await node.get(key)).value or 0 for key in keys]) < last * _MESSAGES:  # type: ignore[misc]
                    await asyncio.sleep(_POLL_S)

            rounds.append(await _told(node, keys, count, all_counted))
            setting.tell(f"round {number}")
        return rounds[1:]


async def _told(node: Node, keys: list[str], count: int, all_counted: Callable[[], Awaitable[None]]) -> Round:
    """Have so many calls told, and wait until all is counted."""
    calls = _tells(node, keys, count)
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    told = await drive(calls, callers=_CALLERS, work_per_call=_MESSAGES)
    await all_counted()
    return Round(count * _MESSAGES, loop.time() - began_s, told.call_seconds)


def _tells(node: Node, keys: list[str], count: int) -> Iterator[Callable[[], Awaitable[None]]]:
    for number in range(count):
        source = number % _SHARDS
        tell = encode_value(Tell(keys[source], keys[(source + 1 + number // _SHARDS % (_SHARDS - 1)) % _SHARDS]))

        async def call(source: int = source, tell: bytes = tell) -> None:
            await node.submit([Request(NO_ID, tell)] * _MESSAGES, partition=source, deadline_s=_DEADLINE_S)

        yield call


def _keys() -> list[str]:
    """A key of each partition."""
    found: dict[int, str] = {}
    for number in range(1_000):
        found.setdefault(TELLERS.partition_of(f"key-{number}"), f"key-{number}")
    return [found[partition] for partition in range(_SHARDS)]
