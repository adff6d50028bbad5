"""Worlds of the coordination service whose clients are looked at as well."""

from random import Random

from ropewalk.proving.history import _counting
from ropewalk.proving.simulated import Surroundings
from ropewalk.proving.verdict import Breach, Holds, run_judged
from ropewalk.proving.workloads.coordination import Coordination
from ropewalk.proving.workloads.coordination_clients import check_clients
from ropewalk.proving.world import _World


def seen_by_clients(seed: int) -> Holds | Breach:
    """Run the world of a seed; raises Broken if its clients saw what can't be."""
    random = Random(seed)
    surroundings = Surroundings(random)
    world = _World(Coordination(), seed, surroundings)
    verdict = run_judged(world.run, seed=seed, random=random, trace=surroundings.trace)
    partition = world._partition
    written = [request for stored in _counting(partition.payloads) for request in stored.record.requests]
    check_clients(partition.history.acknowledged, written)
    return verdict
