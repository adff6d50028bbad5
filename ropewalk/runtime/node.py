"""A node: one process that leads every partition of a service and of its followers, and the way in for its callers.

    async with open_node(service, open_engine("sqlite:data")) as node:
        reply = await node.call(Add("visits", 1))
        value = await node.get("visits", level=AtLeast(reply.token))

Checked by: tests/runtime/test_node.py
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import cast

import msgspec

from ropewalk.communication.admission import USUAL, Priority
from ropewalk.core.clock import VectorClock
from ropewalk.core.codec import encode_value
from ropewalk.core.limits import DEADLINE_DEFAULT_S
from ropewalk.core.machine import NO_ID, Request
from ropewalk.core.mailbox import Delivery
from ropewalk.data.engine import Engine
from ropewalk.data.reads import STRONG, ReadLevel
from ropewalk.engines.system import new_writer, now_ns
from ropewalk.errors import NotAccepted, Rejected, RopewalkError
from ropewalk.runtime.calls import Answers, Bounds
from ropewalk.runtime.leader import Leader, leading
from ropewalk.runtime.recovery import check_count, check_none_lost, created_with
from ropewalk.runtime.service import Follower, Service, Types
from ropewalk.runtime.tasks import beside
from ropewalk.runtime.transactions.settling import coordinates, read_decided
from ropewalk.runtime.writer import Identity

LOG = logging.getLogger("ropewalk")

_FOLLOW_AGAIN_S = 1.0


class Reply(msgspec.Struct, frozen=True):
    """An answer, and the token with which a later read sees at least what it was based on."""

    value: object
    token: VectorClock


@asynccontextmanager
async def open_node(
    service: Service, engine: Engine, *, bounds: Bounds | None = None, clock_ns: Callable[[], int] = now_ns
) -> AsyncIterator["Node"]:
    """Recover and lead all partitions of `service` until the block ends, then close the engine.

    Raises Damaged if what is stored can't be trusted; the message says where and what to do.
    """
    async with AsyncExitStack() as stack:
        stack.push_async_callback(engine.close)
        post = _Post()
        writer = new_writer()

        async def lead_all(service: Service) -> list[Leader]:
            storages, leaders = [], []
            for partition in range(service.partitions):
                identity = Identity(service.name, partition, writer, service.partitions)
                storage = await engine.open(service.name, partition)
                machine = service.machine(storage.shelf, identity.place)
                if partition == 0 and service.partitions > 1:
                    # Before a place is made for a partition that the service was not created with.
                    with _named(identity.log_name):
                        check_count(await created_with(storage), machine, identity.place)
                leader = Leader(
                    machine, storage, identity, now_ns=clock_ns, bounds=bounds or Bounds(), transport=post
                )
                storages.append(storage)
                leaders.append(leader)
            await check_none_lost(service.name, storages, beside=[each.partition for each in post.leaders.values()])
            for leader in leaders:
                with _named(leader.identity.log_name):
                    await leader.recover()
            # Not before: that one holds more than its terms is to mean that every one has opened its first.
            for leader in leaders:
                await stack.enter_async_context(leading(leader))
                post.leaders[leader.identity.log_name] = leader
            return leaders

        leaders = await lead_all(service)
        followers = {
            each.service.name: Node(each.service, await lead_all(each.service)) for each in service.followers
        }
        node = Node(service, leaders, followers)
        coordinators = [each for each in followers.values() if coordinates(each.service)]
        for each in (node, *followers.values()):
            each.coordinators = coordinators
        async with beside(*(_follow(node, follower) for follower in service.followers)):
            yield node


@contextmanager
def _named(log_name: str) -> Iterator[None]:
    """One of many partitions, or of a service that follows: whoever is told of an error is to know which."""
    try:
        yield
    except RopewalkError as error:
        error.args = (f"{log_name}: {error}",)
        raise


class _Post:
    """The transport between the partitions of one process."""

    def __init__(self) -> None:
        self.leaders: dict[str, Leader] = {}

    async def deliver(self, delivery: Delivery) -> int:
        leader = self.leaders.get(delivery.receiver)
        if leader is None:
            raise NotAccepted(f"{delivery.receiver} is not led here")
        return await leader.deliver(delivery)


async def _follow(node: "Node", follower: Follower) -> None:
    """The supervisor of a follower: what goes wrong with it is shown, and stops nobody else."""
    name = follower.service.name
    while True:
        try:
            return await follower.follow(node, node.followers[name])
        except RopewalkError as error:
            LOG.warning("%s: %s; it goes on in %s s", name, error, _FOLLOW_AGAIN_S)
        except Exception:
            LOG.exception("%s is wrong here; it goes on in %s s", name, _FOLLOW_AGAIN_S)
        await asyncio.sleep(_FOLLOW_AGAIN_S)


class Node:
    """Made by `open_node`. `followers` are the nodes of the services that follow this one, by their names;
    `coordinators` are those beside it that decide transactions.
    """

    def __init__(
        self, service: Service, leaders: Sequence[Leader], followers: Mapping[str, "Node"] | None = None
    ) -> None:
        self.service = service
        self.leaders = leaders
        self.followers = followers or {}
        self.coordinators: Sequence[Node] = ()

    async def call(
        self,
        command: msgspec.Struct,
        *,
        request_id: bytes = NO_ID,
        deadline_s: float = DEADLINE_DEFAULT_S,
        priority: Priority = USUAL,
    ) -> Reply:
        """Have a command applied once and return its reply. With a `request_id` (16 bytes), a repeat gets the first
        answer again.

        Rejected        the command can't be read, or the id was used before with another command
        NotAccepted     nothing happened this time
        OutcomeUnknown  perhaps it did: call again with the same id
        """
        request = Request(request_id, encoded(command))
        partition = self.service.partition_of(self.service.key(command))
        answers = await self.submit([request], partition=partition, deadline_s=deadline_s, priority=priority)
        reply = answers.replies[0]
        if reply is None:
            raise Rejected(f"the request id {request_id.hex()} was used before with another command: take a new one")
        token = self.leaders[partition].token(answers.position)
        return Reply(msgspec.msgpack.decode(reply, type=_type(self._types.reply)), token)

    async def get(self, key: str, *, level: ReadLevel = STRONG, deadline_s: float = DEADLINE_DEFAULT_S) -> Reply:
        """The value of a key, or None. A Strong one includes all that is decided: see `transactions.settling`."""
        partition = self.service.partition_of(key)
        return await self._read(partition, key, type_=self._types.value, level=level, deadline_s=deadline_s)

    async def ask(
        self, query: msgspec.Struct, *, level: ReadLevel = STRONG, deadline_s: float = DEADLINE_DEFAULT_S
    ) -> Reply:
        """The answer to a question of the service's own, from the partition of what it is about."""
        partition = self.service.partition_of(self.service.key(query))
        return await self._read(partition, query, type_=object, level=level, deadline_s=deadline_s)

    async def submit(
        self,
        requests: Sequence[Request],
        *,
        partition: int = 0,
        deadline_s: float = DEADLINE_DEFAULT_S,
        priority: Priority = USUAL,
    ) -> Answers:
        """Encoded requests for one partition, in one record: for machines that read their own bytes, and for bulk."""
        return await self.leaders[partition].submit(requests, deadline_s=deadline_s, priority=priority)

    @property
    def _types(self) -> Types:
        if self.service.types is None:
            raise Rejected(f"{self.service.name} takes encoded requests only: use `submit`")
        return self.service.types

    async def _read(
        self, partition: int, query: object, *, type_: object, level: ReadLevel, deadline_s: float
    ) -> Reply:
        leader = self.leaders[partition]
        if level == STRONG and self.service.has_holds:
            read = await read_decided(leader, encoded(query), coordinators=self.coordinators, deadline_s=deadline_s)
        else:
            read = await leader.read(encoded(query), level=level, deadline_s=deadline_s)
        if read.answer == _NONE:
            return Reply(None, leader.token(read.position))
        return Reply(msgspec.msgpack.decode(read.answer, type=_type(type_)), leader.token(read.position))


def encoded(message: object) -> bytes:
    """The bytes of a command or query. Raises Rejected if no service could read them."""
    try:
        return encode_value(message)
    except OverflowError as error:
        raise Rejected(f"a number does not fit 64 bits: {error}") from error
    except RecursionError as error:
        raise Rejected(f"it is nested too deep: {error}") from error


_NONE = encode_value(None)


def _type(given: object) -> type:
    """A union of types is not a `type` to a type checker, and is one to msgspec."""
    return cast(type, given)
