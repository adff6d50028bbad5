"""A world: one partition of the real runtime over faulty storage, in virtual time, everything drawn from one seed.

Clients ask, leaders come and go, faults happen (`ropewalk.proving.simulated`). Then the faults end, a last leader
recovers at each site, and what clients were told is compared with the log (`ropewalk.proving.history`) and with
replicas that begin at each place a replica can.

Promise:    the same seed gives the same world, so a failure is repeated by its seed.
Not given:  that a promise holds because no seed broke it.
Checked by: tests/proving/test_world.py, tests/canaries/
"""

import asyncio
from random import Random

from ropewalk.core.place import Place
from ropewalk.proving.history import LooksAtClients, check_history
from ropewalk.proving.simulated import SimulatedPartition, Surroundings
from ropewalk.proving.verdict import TRACE_LINES, Breach, Holds, run_judged
from ropewalk.proving.workload import Workload

CLIENTS = 4
REQUESTS_EACH = 40


def run_world(workload: Workload, seed: int) -> Holds | Breach:
    """Run the world of a seed to its end and judge it."""
    random = Random(seed)
    surroundings = Surroundings(random)
    world = _World(workload, seed, surroundings)
    return run_judged(world.run, seed=seed, random=random, trace=surroundings.trace)


class _World:
    """One run."""

    def __init__(self, workload: Workload, seed: int, surroundings: Surroundings) -> None:
        self._workload = workload
        self._seed = seed
        self._surroundings = surroundings
        self._partition = SimulatedPartition(Place(workload.name), workload.machine, surroundings)

    async def run(self) -> Holds:
        """Everything, from the first request to the verdict."""
        async with asyncio.TaskGroup() as tasks:
            self._surroundings.tasks = tasks
            operator = tasks.create_task(self._partition.operate())
            for request in self._workload.opening():
                await self._partition.ask(request, gives_up=False)
            clients = [tasks.create_task(self._client()) for _ in range(CLIENTS)]
            for client in clients:
                await client
            self._surroundings.note("the clients are done")
            operator.cancel()
        # The group has ended, and with it every append that was still on its way.
        return await self._judge()

    async def _client(self) -> None:
        random = self._surroundings.random
        for _ in range(REQUESTS_EACH):
            await asyncio.sleep(random.random() * 0.02)
            await self._partition.ask(self._workload.request(random), gives_up=True)
            leader = self._partition.any_leader() if random.random() < 0.3 else None
            if leader is not None:
                await self._partition.look(leader, self._workload.query(random))

    async def _judge(self) -> Holds:
        partition, counts = self._partition, self._surroundings.counts
        judge = self._workload.judge()
        verdict = check_history(partition.history, partition.payloads, partition.new_machine(), judge=judge)
        if isinstance(self._workload, LooksAtClients):
            self._workload.check_clients(partition.history.acknowledged, verdict.written)
        await partition.check_replicas(verdict.replica.digest())
        counts["acknowledged"] = len(partition.history.acknowledged)
        counts["reads"] = len(partition.history.seen)
        counts["records"] = len(partition.payloads)
        counts["skipped"] = len(partition.payloads) - verdict.counted
        await partition.check_sites()
        return Holds(seed=self._seed, trace=self._surroundings.trace[-TRACE_LINES:], **counts)
