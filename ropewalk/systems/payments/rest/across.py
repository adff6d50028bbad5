"""Creating accounts and transfers where the ledger has several shards: split, asked at the same time, joined.

    rows ──► by the shard that each is for ──► submit to each ──► results in the order of the rows
                                                    └ prepared: wait until it is decided, and say how

With one shard all of it goes straight there.

Promise:    each row is answered in order; a row that is not decided in time is OutcomeUnknown, and asking again with
            the same id gives its outcome, for ever.
Checked by: tests/payments/rest/test_shards.py
"""

import asyncio
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from ropewalk.communication.admission import USUAL, Priority
from ropewalk.core.clock import VectorClock
from ropewalk.core.machine import NO_ID, Request
from ropewalk.data.reads import STRONG, Stale
from ropewalk.errors import NotAccepted, OutcomeUnknown, Rejected, RopewalkError
from ropewalk.runtime.listeners import Heard
from ropewalk.runtime.node import Node
from ropewalk.runtime.typed import reused
from ropewalk.systems.payments.ledger.commands import COMMANDS, Operation, decode, decode_reply, encode
from ropewalk.systems.payments.ledger.layout import ID, RESULT, Rows, TransferFlags
from ropewalk.systems.payments.rest.reading import Sight, joined, place_of, read
from ropewalk.systems.payments.shards import messages as between
from ropewalk.systems.payments.shards.addresses import shards_of
from ropewalk.systems.payments.shards.coordinating import NUMBER_MASK, subject_of
from ropewalk.systems.payments.shards.statuses import ShardStatus

_LINKED: Final = np.uint16(TransferFlags.LINKED)
_RESOLVES: Final = np.uint16(TransferFlags.POST_PENDING_TRANSFER | TransferFlags.VOID_PENDING_TRANSFER)
_CREATE: Final = Operation.CREATE_TRANSFERS
_OPEN: Final = (ShardStatus.PREPARED, ShardStatus.EXISTS_UNDECIDED)


class Caller(NamedTuple):
    """The id of a caller's request, until when it waits, by the loop's clock, and how much it matters."""

    request_id: bytes
    until_s: float
    priority: Priority

    @property
    def left_s(self) -> float:
        """How much longer it waits."""
        return max(0.0, self.until_s - asyncio.get_running_loop().time())


def waits(request_id: bytes, *, deadline_s: float, priority: Priority = USUAL) -> Caller:
    """A caller who waits so long from now on."""
    return Caller(request_id, asyncio.get_running_loop().time() + deadline_s, priority)


class _Part(NamedTuple):
    """The rows of a request that are for one shard: their places in it, and the command that sends them."""

    shard: int
    places: NDArray[np.int64]
    command: bytes
    subject: str


async def create(node: Node, command: bytes, caller: Caller) -> tuple[Rows, VectorClock]:
    """Create accounts, or transfers each on its own, as an encoded command asks; return one RESULT each."""
    if node.service.partitions == 1:
        return await _submit(node, 0, command, caller=caller)
    asked, rows = decode(command, COMMANDS)
    if asked is Operation.CREATE_ACCOUNTS:
        shards = shards_of(rows["id_high"], place_of(node))
    else:
        shards = await _payers(node, rows, caller)
    # What names no shard is refused by whichever is asked.
    shards = np.maximum(shards, 0)
    _check_chains(rows, shards)
    parts = []
    for shard in np.unique(shards).tolist():
        places = np.flatnonzero(shards == shard)
        some = rows[places]
        subject = subject_of(some) if asked is _CREATE else ""
        parts.append(_Part(shard, places, encode(asked, some), subject))
    return await _all(node, parts, count=rows.size, caller=caller)


async def create_together(node: Node, command: bytes, caller: Caller) -> tuple[Rows, VectorClock]:
    """Create all of some transfers or none; return one RESULT each."""
    _, rows = decode(command, {_CREATE: COMMANDS[_CREATE]})
    if node.service.partitions == 1:
        chain = rows.copy()
        chain["flags"][:-1] |= _LINKED
        return await _submit(node, 0, encode(_CREATE, chain), caller=caller)
    shard = max(int(shards_of(rows["debit_account_id_high"][:1], place_of(node))[0]), 0)
    together = between.encode(between.CreateTogether(rows.tobytes()))
    return await _one(node, _Part(shard, np.arange(rows.size), together, subject_of(rows)), caller)


def _check_chains(rows: Rows, shards: NDArray[np.int64]) -> None:
    """Raise Rejected if rows that are linked are for several shards: each of those would see a piece of the chain."""
    torn = np.flatnonzero((rows["flags"][:-1] & _LINKED != 0) & (shards[:-1] != shards[1:]))
    if torn.size:
        row = int(torn[0])
        raise Rejected(
            f"rows {row} and {row + 1} are linked and are for shards {shards[row]} and {shards[row + 1]}: a chain is "
            "of one shard; transfers of several are all made or none with `together`, and without flags"
        )


async def _payers(node: Node, rows: Rows, caller: Caller) -> NDArray[np.int64]:
    """The shard of each transfer: that of its debit account, or of the pending transfer that it posts or voids."""
    shards = shards_of(rows["debit_account_id_high"], place_of(node))
    names_none = (rows["debit_account_id_low"] == 0) & (rows["debit_account_id_high"] == 0)
    places = np.flatnonzero((rows["flags"] & _RESOLVES != 0) & names_none)
    if places.size:
        ids = np.zeros(places.size, ID)
        ids["id_low"], ids["id_high"] = rows["pending_id_low"][places], rows["pending_id_high"][places]
        asked = encode(Operation.LOOKUP_TRANSFERS, ids)
        shards[places] = 0
        for shard in range(node.service.partitions):
            answer, _ = await read(node, shard, asked, sight=Sight(STRONG, caller.until_s))
            found = decode_reply(Operation.LOOKUP_TRANSFERS, answer)
            known = np.isin(ids["id_low"], found["id_low"]) & np.isin(ids["id_high"], found["id_high"])
            shards[places[known]] = shard
    return shards


async def _all(node: Node, parts: list[_Part], *, count: int, caller: Caller) -> tuple[Rows, VectorClock]:
    """Send all parts at the same time, and put their results together; nothing is sent if one can never be done."""
    for part in parts if len(parts) > 1 else ():
        node.leaders[part.shard].partition.machine.vet(part.command)
    async with asyncio.TaskGroup() as tasks:
        sent = [tasks.create_task(_tried(node, part, caller)) for part in parts]
    results = np.zeros(count, RESULT)
    tokens: list[VectorClock] = []
    failed: list[RopewalkError] = []
    for part, answer in zip(parts, [task.result() for task in sent], strict=True):
        if isinstance(answer, RopewalkError):
            failed.append(answer)
        else:
            results[part.places] = answer[0]
            tokens.append(answer[1])
    if failed and tokens:
        raise OutcomeUnknown(f"some of the rows are done, and some are not: send all of them again ({failed[0]})")
    if failed:
        raise failed[0]
    return results, joined(tokens)


async def _tried(node: Node, part: _Part, caller: Caller) -> tuple[Rows, VectorClock] | RopewalkError:
    try:
        return await _one(node, part, caller)
    except RopewalkError as error:
        return error


async def _one(node: Node, part: _Part, caller: Caller) -> tuple[Rows, VectorClock]:
    """Send one part; return its results once all of them are decided."""
    leader, again = node.leaders[part.shard], caller._replace(request_id=NO_ID)
    with leader.waiting_for(part.subject) as heard:
        results, token = await _submit(node, part.shard, part.command, caller=caller)
        await _hear(node, part.shard, heard, results=results, caller=caller)
    # What was told before anybody listened, or is told to another request, is known to the ledger for ever.
    while np.isin(results["status"], _OPEN).any():
        if not caller.left_s:
            raise OutcomeUnknown("not all of the transfers are decided yet: ask again with the same ids")
        after = leader.partition.feed.last
        results, token = await _submit(node, part.shard, part.command, caller=again)
        if np.isin(results["status"], _OPEN).any():
            await leader.wait_events(after, deadline_s=caller.left_s)
    results["reserved"] = 0
    return results, token


async def _hear(node: Node, shard: int, heard: Heard, *, results: Rows, caller: Caller) -> None:
    """Put the outcomes that are told into the results, until all are there or nothing more will be told in time."""
    numbers = results["reserved"].copy()
    while (waiting := results["status"] == ShardStatus.PREPARED).any():
        asked = between.encode(between.IsDecided(int(numbers[waiting][0])))
        answer, _ = await read(node, shard, asked, sight=Sight(Stale(float("inf")), caller.until_s))
        is_decided = msgspec.msgpack.decode(answer, type=between.Outcome).is_decided
        try:
            event = await heard.event(deadline_s=0 if is_decided else caller.left_s)
        except NotAccepted:
            return
        told = msgspec.msgpack.decode(event.event.data, type=between.Decided)
        of_transaction = numbers == told.number & NUMBER_MASK
        if of_transaction.any():
            results["status"][of_transaction] = np.frombuffer(told.statuses, "u4")


async def _submit(node: Node, shard: int, command: bytes, *, caller: Caller) -> tuple[Rows, VectorClock]:
    """The results of one command, which may be written to. Raises Problem if the id was used with another one."""
    request = Request(caller.request_id, command)
    left_s, priority = caller.left_s, caller.priority
    answers = await node.submit([request], partition=shard, deadline_s=left_s, priority=priority)
    reply = answers.replies[0]
    if reply is None:
        raise reused(request.id)
    return decode_reply(_CREATE, reply).copy(), node.leaders[shard].token(answers.position)
