"""Reading the ledger where it has several shards.

A strong read of an account waits for transfers between shards that are decided and not yet done where it looks: the
shard that decides each is asked. If it has decided, the answer waits until that has been done here; if it has not,
nobody can have seen an outcome yet. So whoever has seen one half of a transfer sees the other from then on. Of halves
of instant payments the decision is in the mail as soon as there is one: the answer waits for what has been sent.

Promise:    no sequence of strong reads shows one half of a transfer, or of an instant payment or its return, and
            afterwards not the other; a cut includes no message that its sender's answer does not, so that all books
            together balance with what is on its way.
Not given:  one moment for accounts of several shards in one lookup or list: they are read one shard after the other.
Checked by: tests/payments/rest/test_reading.py, tests/payments/rest/test_shards.py
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
import numpy as np

from ropewalk.core.clock import VectorClock
from ropewalk.core.place import Place
from ropewalk.data.reads import STRONG, AtLeast, ReadLevel
from ropewalk.errors import NotAccepted
from ropewalk.runtime.node import Node
from ropewalk.systems.payments.instant import messages as instant
from ropewalk.systems.payments.ledger.commands import Operation, decode_reply, encode
from ropewalk.systems.payments.ledger.layout import ID, Rows
from ropewalk.systems.payments.shards import messages as between
from ropewalk.systems.payments.shards.addresses import shards_of
from ropewalk.systems.payments.shards.participating import promise_subject

_NOTHING: Final = encode(Operation.LOOKUP_ACCOUNTS, np.zeros(1, ID))
"""A question that costs next to nothing, where only how far a shard is matters."""

_REVERSED: Final = 1
_POLL_S: Final = 0.005


class Sight(msgspec.Struct, frozen=True):
    """What a reader must see, and until when it waits for that, by the loop's clock: one deadline for all shards."""

    level: ReadLevel
    until_s: float

    @property
    def left_s(self) -> float:
        """How much longer it waits."""
        return max(0.0, self.until_s - asyncio.get_running_loop().time())


def sees(level: ReadLevel, *, deadline_s: float) -> Sight:
    """What must be seen within so long from now on."""
    return Sight(level, asyncio.get_running_loop().time() + deadline_s)


async def read(
    node: Node, shard: int, query: bytes, *, sight: Sight, accounts: Rows | None = None
) -> tuple[bytes, VectorClock]:
    """The answer of one shard. If it is about accounts (rows of ID), a strong one includes all that is decided."""
    if sight.level != STRONG or accounts is None or node.service.partitions == 1:
        return await _read_here(node, shard, query, sight=sight)
    left_s = sight.left_s
    try:
        async with asyncio.timeout(left_s):
            return await _read_decided(node, shard, query, sight=sight, accounts=accounts)
    except TimeoutError:
        log_name = node.leaders[shard].identity.log_name
        raise NotAccepted(
            f"{log_name} has not done within {left_s:.3g} s what other shards have decided: read again"
        ) from None


async def read_listed(
    node: Node, shard: int, query: bytes, *, sight: Sight, accounts_in: Callable[[bytes], Rows]
) -> tuple[bytes, VectorClock]:
    """The answer of one shard that lists accounts (`accounts_in` it): a strong one includes all that is decided.

    Which they are is known when they have been listed. Of one that is opened between the two looks nobody had seen a
    transfer when the first began.
    """
    told = await read(node, shard, query, sight=sight)
    if sight.level != STRONG or node.service.partitions == 1:
        return told
    return await read(node, shard, query, sight=sight, accounts=accounts_in(told[0]))


async def look_up(node: Node, asked: Operation, ids: Rows, *, sight: Sight) -> tuple[Rows, VectorClock]:
    """Those of the accounts or transfers with these ids (rows of ID) that are there, in order."""
    if node.service.partitions == 1:
        answer, token = await read(node, 0, encode(asked, ids), sight=sight)
        return decode_reply(asked, answer), token
    is_account = asked is Operation.LOOKUP_ACCOUNTS
    shards = shards_of(ids["id_high"], place_of(node))
    encode(asked, ids)
    found: list[Rows] = []
    tokens: list[VectorClock] = []
    for shard in range(node.service.partitions):
        wanted = ids[shards == shard] if is_account else ids
        if wanted.size:
            accounts = wanted if is_account else None
            answer, token = await read(node, shard, encode(asked, wanted), sight=sight, accounts=accounts)
            found.append(decode_reply(asked, answer))
            tokens.append(token)
    return _in_order(np.concatenate(found), ids), joined(tokens)


async def list_rows(node: Node, asked: Operation, chosen: Rows, *, sight: Sight) -> tuple[Rows, VectorClock]:
    """A page of the accounts or transfers of all shards, by time: longer if several are of its last moment.

    A transfer between two shards is in the books of both, and is listed twice.
    """
    parts: list[Rows] = []
    tokens: list[VectorClock] = []
    query = encode(asked, chosen)
    for shard in range(node.service.partitions):
        if asked is Operation.QUERY_ACCOUNTS:
            answer, token = await read_listed(node, shard, query, sight=sight, accounts_in=_accounts_in)
        else:
            answer, token = await read(node, shard, query, sight=sight)
        parts.append(decode_reply(asked, answer))
        tokens.append(token)
    if len(parts) == 1:
        return parts[0], tokens[0]
    return _page(np.concatenate(parts), chosen[0]), joined(tokens)


async def take_cut(node: Node, query: bytes, sight: Sight) -> tuple[list[bytes], VectorClock]:
    """The answers of all shards, of one moment: what was taken in anywhere had been sent.

    So what has left one shard and not come to another is on its way, and is in both of their books as that.
    """
    shards = range(node.service.partitions)
    seen = joined([(await _read_here(node, shard, _NOTHING, sight=sight))[1] for shard in shards])
    # What was seen need not be waited for, and who does not wait does not give way: nothing happens between these.
    at_once = msgspec.structs.replace(sight, level=AtLeast(seen))
    answers = [await _read_here(node, shard, query, sight=at_once) for shard in shards]
    return [answer for answer, _ in answers], joined(token for _, token in answers)


def joined(tokens: Iterable[VectorClock]) -> VectorClock:
    """One token that asks for all that these ask for."""
    whole = VectorClock()
    for token in tokens:
        whole = whole.merged(token)
    return whole


def place_of(node: Node) -> Place:
    """A place of the service: which does not matter, it is asked for those of others."""
    return Place(node.service.name, 0, node.service.partitions)


async def _read_here(node: Node, shard: int, query: bytes, *, sight: Sight) -> tuple[bytes, VectorClock]:
    leader = node.leaders[shard]
    told = await leader.read(query, level=sight.level, deadline_s=sight.left_s)
    return told.answer, leader.token(told.position)


async def _read_decided(
    node: Node, shard: int, query: bytes, *, sight: Sight, accounts: Rows
) -> tuple[bytes, VectorClock]:
    guarded = between.encode(between.Guarded(query, accounts.tobytes()))
    first, token = await _read_here(node, shard, guarded, sight=sight)
    answer = msgspec.msgpack.decode(first, type=between.GuardedAnswer)
    has_waited = await _wait_until_done(node, shard, answer.held, sight=sight)
    if answer.has_pending:
        has_waited |= await _wait_for_halves(node, shard, sight=sight)
    return await _read_here(node, shard, query, sight=sight) if has_waited else (answer.answer, token)


async def _mail(node: Node, shard: int, *, sight: Sight) -> between.CutAnswer:
    """What a shard had sent to each and taken in from each."""
    answer, _ = await _read_here(node, shard, between.encode(between.TakeCut(_NOTHING)), sight=sight)
    return msgspec.msgpack.decode(answer, type=between.CutAnswer)


async def _wait_until_done(node: Node, shard: int, held: list[between.Held], *, sight: Sight) -> bool:
    """Wait until a shard has done what the others have decided; False if there was nothing to wait for."""
    decided = [each for each in held if await _is_decided(node, each, sight)]
    leader = node.leaders[shard]
    for each in decided:
        with leader.waiting_for(promise_subject(each.coordinator, each.number)) as heard:
            still = between.encode(between.Holds(each.coordinator, each.number))
            told = await leader.read(still, level=STRONG, deadline_s=sight.left_s)
            if msgspec.msgpack.decode(told.answer, type=bool):
                await heard.event(deadline_s=sight.left_s)
    return bool(decided)


async def _wait_for_halves(node: Node, shard: int, *, sight: Sight) -> bool:
    """Wait until a shard has taken in what those had sent that decide about halves here; False if nobody does."""
    told, _ = await _read_here(node, shard, instant.encode_query(instant.ListDeciders()), sight=sight)
    deciders = msgspec.msgpack.decode(told, type=list[int])
    names = [leader.identity.log_name for leader in node.leaders]
    for decider in deciders:
        sent = (await _mail(node, decider, sight=sight)).sent.get(names[shard], 0)
        while (await _mail(node, shard, sight=sight)).taken.get(names[decider], 0) < sent:
            await asyncio.sleep(_POLL_S)
    return bool(deciders)


async def _is_decided(node: Node, held: between.Held, sight: Sight) -> bool:
    asked = between.encode(between.IsDecided(held.number))
    told = await node.leaders[held.coordinator].read(asked, level=STRONG, deadline_s=sight.left_s)
    return msgspec.msgpack.decode(told.answer, type=between.Outcome).is_decided


def _accounts_in(answer: bytes) -> Rows:
    return _ids(decode_reply(Operation.QUERY_ACCOUNTS, answer))


def _ids(rows: Rows) -> Rows:
    """The ids of accounts or transfers, as rows of ID."""
    ids = np.empty(rows.size, ID)
    ids["id_low"], ids["id_high"] = rows["id_low"], rows["id_high"]
    return ids


def _in_order(found: Rows, ids: Rows) -> Rows:
    """What was found, once each, in the order of the ids: of a transfer that two shards have, the first one's."""
    wanted = np.ascontiguousarray(ids).view("V16").reshape(-1)
    place = {key: row for row, key in reversed(list(enumerate(_ids(found).view("V16").reshape(-1).tolist())))}
    return found[[place[key] for key in wanted.tolist() if key in place]]


def _page(rows: Rows, chosen: np.void) -> Rows:
    """The first of the rows of all shards, by time, with those of the last one's moment: a page begins behind it."""
    is_reversed, limit = bool(chosen["flags"] & _REVERSED), int(chosen["limit"])
    order = np.argsort(rows["timestamp"], kind="stable")
    rows = rows[order[::-1] if is_reversed else order]
    if rows.size > limit:
        last = rows["timestamp"][limit - 1]
        rows = rows[rows["timestamp"] >= last if is_reversed else rows["timestamp"] <= last]
    return rows
