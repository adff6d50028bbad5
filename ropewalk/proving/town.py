"""A town: several partitions, of one service or more, who send each other messages over ways full of faults.

    clients ──► bank/0  ◄─── lost, late, repeated, overtaken deliveries ───►  bank/1  ◄── clients
                   ▲                                                             ▲
                   └─────────── ways that are cut for a while ──────► bank/2 ◄───┘

What happens to one partition is what happens in any world (`ropewalk.proving.simulated`). Then the faults end and a
leader recovers in each partition, until no message waits and nothing happens any more: the town is at rest. Its logs
are read side by side, each by its judge, and after each record the workload looks at all partitions together, with
what is on the way between them: a moment that may have been.

Promise:    the same seed gives the same town, so a failure is repeated by its seed.
Not given:  that a promise holds because no seed broke it.
Checked by: tests/proving/test_town.py, tests/canaries/test_town.py
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from random import Random

from ropewalk.core.mailbox import Delivery, Note
from ropewalk.errors import NotAccepted
from ropewalk.proving.faults import Fate, FaultyTransport, Odds
from ropewalk.proving.history import Broken, LooksAtClients, Reading
from ropewalk.proving.letters import Letters
from ropewalk.proving.simulated import SimulatedPartition, Surroundings
from ropewalk.proving.verdict import TRACE_LINES, Breach, Holds, run_judged
from ropewalk.proving.workload import Cut, TownWorkload
from ropewalk.runtime.leader import Leader

CLIENTS = 6
REQUESTS_EACH = 20
RESTS_MAX = 50
"""So many times the town is looked at before it is said that it never comes to rest."""

_CUTS_PACE_S = 0.2


def run_town(workload: TownWorkload, seed: int) -> Holds | Breach:
    """Run the town of a seed to its end and judge it."""
    random = Random(seed)
    surroundings = Surroundings(random)
    town = _Town(workload, seed, surroundings)
    return run_judged(town.run, seed=seed, random=random, trace=surroundings.trace)


class _Post:
    """The transport without faults: to any process that thinks it leads the receiver."""

    def __init__(self) -> None:
        self.partitions: dict[str, SimulatedPartition] = {}

    async def deliver(self, delivery: Delivery) -> int:
        leader = self.partitions[delivery.receiver].any_leader()
        if leader is None:
            raise NotAccepted(f"nobody leads {delivery.receiver}")
        return await leader.deliver(delivery)


class _Town:
    """One run."""

    def __init__(self, workload: TownWorkload, seed: int, surroundings: Surroundings) -> None:
        self._workload = workload
        self._seed = seed
        self._surroundings = surroundings
        self._random = random = surroundings.random
        self._post = _Post()
        odds, spawn = _draw_odds(random), surroundings.spawn
        self._ways = FaultyTransport(self._post, Random(random.random()), odds, spawn=spawn)
        self._partitions = self._post.partitions = {
            place.log_name: SimulatedPartition(place, workload.machine, surroundings, transport=self._ways)
            for place in workload.places
        }

    async def run(self) -> Holds:
        """Everything, from the first request to the verdict."""
        async with asyncio.TaskGroup() as tasks:
            self._surroundings.tasks = tasks
            operators = [tasks.create_task(partition.operate()) for partition in self._partitions.values()]
            for log, request in self._workload.opening():
                await self._partitions[log].ask(request, gives_up=False)
            operators.append(tasks.create_task(self._cut_ways()))
            clients = [tasks.create_task(self._client()) for _ in range(CLIENTS)]
            for client in clients:
                await client
            self._surroundings.note("the clients are done")
            for operator in operators:
                operator.cancel()
        # The group has ended, and with it every append and delivery that was still on its way.
        await self._come_to_rest()
        return await self._judge()

    async def _client(self) -> None:
        random = self._random
        for _ in range(REQUESTS_EACH):
            await asyncio.sleep(random.random() * 0.02)
            log, request = self._workload.request(random)
            await self._partitions[log].ask(request, gives_up=True)
            log, query = self._workload.query(random)
            leader = self._partitions[log].any_leader() if random.random() < 0.3 else None
            if leader is not None:
                await self._partitions[log].look(leader, query)

    async def _cut_ways(self) -> None:
        """Cut some way between two partitions, or mend one, for ever."""
        names, cut = list(self._partitions), self._ways.cut
        while True:
            await asyncio.sleep(self._random.random() * _CUTS_PACE_S)
            sender, receiver = self._random.choices(names, k=2)
            if (sender, receiver) in cut:
                cut.remove((sender, receiver))
                self._surroundings.note(f"{sender} reaches {receiver} again")
            elif self._random.random() < 0.5:
                cut.add((sender, receiver))
                self._surroundings.counts["cut_off"] += 1
                self._surroundings.note(f"{sender} does not reach {receiver}")

    # The end.

    async def _come_to_rest(self) -> None:
        """Lead every partition without faults until nothing happens any more."""
        async with AsyncExitStack() as stack:
            for partition in self._partitions.values():
                site = self._random.choice(partition.sites)
                leading = partition.leading(site, site.log, transport=self._post)
                partition.leaders.append(await stack.enter_async_context(leading))
            await self._wait_for_rest([leader for each in self._partitions.values() for leader in each.leaders])
        for partition in self._partitions.values():
            partition.leaders.clear()

    async def _wait_for_rest(self, leaders: Sequence[Leader]) -> None:
        for _ in range(RESTS_MAX):
            records = self._records
            await asyncio.sleep(self._workload.quiet_s)
            for leader in leaders:
                if leader.stopped_because is not None:
                    raise Broken(f"no leader stops because of itself: {leader.stopped_because}")
            waiting = sum(leader.partition.mailbox.waiting for leader in leaders)
            if self._records == records and waiting == 0:
                return
        raise Broken(f"a town without faults comes to rest [{waiting} messages wait]")

    @property
    def _records(self) -> int:
        return sum(len(partition.payloads) for partition in self._partitions.values())

    async def _judge(self) -> Holds:
        counts = self._surroundings.counts
        counts["records"] = self._records
        readings = {
            name: Reading(
                partition.payloads,
                partition.new_machine(),
                judge=self._workload.judge(partition.place),
                history=partition.history,
            )
            for name, partition in self._partitions.items()
        }
        letters = self._read_all(readings)
        for name, partition in self._partitions.items():
            reading = readings[name]
            reading.finish()
            if isinstance(self._workload, LooksAtClients):
                self._workload.check_clients(partition.history.acknowledged, reading.written)
            letters.check_at_rest(name, reading.replica.mailbox)
            await partition.check_replicas(reading.replica.digest())
            counts["acknowledged"] += len(partition.history.acknowledged)
            counts["reads"] += len(partition.history.seen)
            counts["skipped"] += len(partition.payloads) - reading.counted
            await partition.check_sites()
        counts["messages"], counts["again"] = letters.taken_in, letters.again
        for fate in Fate:
            if fate is not Fate.ANSWERED:
                counts[fate.name.lower()] = self._ways.fates[fate]
        return Holds(seed=self._seed, trace=self._surroundings.trace[-TRACE_LINES:], **counts)

    def _read_all(self, readings: Mapping[str, Reading]) -> Letters:
        """Read the logs side by side, in an order that may have been, and look at all of it after each record."""
        letters, unread = Letters(), dict(readings)
        machines = {name: reading.machine for name, reading in readings.items()}
        while unread := {name: reading for name, reading in unread.items() if reading.next is not None}:
            name = self._random.choice(_readable(unread, letters))
            reading = unread[name]
            messages = letters.take_in(name, _notes(reading))
            reading.step(messages)
            letters.send(name, reading.outcome, messages)
            self._workload.check(Cut(machines, letters.on_the_way()))
        self._workload.check(Cut(machines, letters.on_the_way(), is_at_rest=True))
        return letters


def _readable(unread: Mapping[str, Reading], letters: Letters) -> list[str]:
    """The logs whose next record may come next."""
    names = [name for name, reading in unread.items() if letters.allow(name, _notes(reading))]
    if not names:
        where = {name: reading.next.link.position for name, reading in unread.items() if reading.next is not None}
        raise Broken(f"what comes was sent before, and what is noted as taken in was [{where}]")
    return names


def _notes(reading: Reading) -> Sequence[Note]:
    return reading.next.record.notes if reading.next is not None else ()


def _draw_odds(random: Random) -> Odds:
    """Ways are worse than disks, since nothing is promised of them."""
    rough = random.choice((0.0, 0.05, 0.15))
    chances = [random.random() * rough for _ in range(6)]
    return Odds(
        refused=chances[0],
        lost=chances[1],
        untold=chances[2],
        repeated=chances[3],
        late=chances[4],
        overtaken=chances[5],
        slow=random.choice((0.0, 0.02)),
        delay_max_s=random.choice((0.0, 0.002, 0.02)),
    )
