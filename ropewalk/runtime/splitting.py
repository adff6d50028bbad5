"""A service that outgrew its partitions gets more of them: its state is copied, divided by key, and compared.

    bank/0  ──keys of 0 mod 4──► bank/0        A key's partition is its hash modulo their number. With twice as many
            ──keys of 2 mod 4──► bank/2        the keys of one are divided between two and no other is touched; so
    bank/1  ──keys of 1 mod 4──► bank/1        the new number is a multiple of the old one.
            ──keys of 3 mod 4──► bank/3

Nobody leads the service meanwhile, and no message is on its way. The copy is a snapshot at the position that its
partition had reached, so positions, and the fencing tokens that were made of them, go on. Messages are numbered anew,
also in the services that exchange some with it (`renumber`).

Promise:    every value and timer is in exactly one partition, the one where its key is looked for; the source is not
            changed; what was written is read back and compared before this returns.
Not given:  tokens of earlier replies for the partitions that are new, and events there: they begin without any.
Checked by: tests/runtime/test_splitting.py, tests/runtime/test_splitting_beside.py
"""

from collections.abc import Callable

import msgspec

from ropewalk.core.chain import Position
from ropewalk.core.limits import PARTITIONS_MAX
from ropewalk.core.machine import Divisible
from ropewalk.core.partition import Partition
from ropewalk.core.place import Place
from ropewalk.data.engine import Engine, Storage
from ropewalk.data.snapshots import write_snapshot
from ropewalk.errors import Damaged, Rejected, invariant
from ropewalk.runtime.recovery import catch_up, kept_partitions, load_snapshot
from ropewalk.runtime.service import Service


class Part(msgspec.Struct, frozen=True):
    """One partition of the divided service: where it came from, and how many values and timers are in it."""

    partition: int
    divided_from: int
    position: Position
    things: int


async def count_partitions(service: Service, engine: Engine) -> int:
    """How many partitions a service was created with; 0 if it never was."""
    storage = await engine.open(service.name, 0)
    partition = Partition(service.machine(storage.shelf, service.places[0]))
    await load_snapshot(partition, storage)
    return await kept_partitions(partition, storage.log)


async def split(
    service: Service, source: Engine, target: Engine, *, partitions: int, on_part: Callable[[Part], None]
) -> list[Part]:
    """Copy a service with `service.partitions` partitions into an empty engine, divided among `partitions`.

    Raises Rejected if that can't be done, Damaged if what is stored can't be trusted.
    """
    _check_numbers(service, partitions)
    parts: list[Part] = []
    for number, place in enumerate(service.places):
        parent = await _recovered(service, await source.open(service.name, number), place)
        _check_parent(service, parent, number)
        children = [
            await _divide(
                service, parent, await target.open(service.name, child), place=Place(service.name, child, partitions)
            )
            for child in range(number, partitions, service.partitions)
        ]
        whole = parent.divide(lambda _: True, partitions=partitions, keeps_events=True)
        invariant(sum(child.things for child in children) == whole, "everything is in one partition", number=number)
        for child in children:
            on_part(child)
        parts += children
    return sorted(parts, key=lambda part: part.partition)


async def renumber(service: Service, source: Engine, target: Engine) -> None:
    """Copy a service that exchanges messages with one that is divided: as it is, but its mail begins anew too."""
    for number, place in enumerate(service.places):
        parent = await _recovered(service, await source.open(service.name, number), place)
        _check_parent(service, parent, number)
        await _divide(service, parent, await target.open(service.name, number), place=place)


async def _recovered(service: Service, storage: Storage, place: Place) -> Partition:
    partition = Partition(service.machine(storage.shelf, place))
    recovered = await load_snapshot(partition, storage)
    if recovered.damaged:
        raise Damaged(f"{place.log_name}: {recovered.damaged[0].reason}: mend that first, see `ropewalk audit`")
    await catch_up(partition, storage.log)
    return partition


async def _divide(service: Service, parent: Partition, storage: Storage, *, place: Place) -> Part:
    """Write one partition's share of its parent, and read it back."""
    child = Partition(service.machine(storage.shelf, place))
    child.load(parent.save().parts)
    divided_from = place.partition % service.partitions
    things = child.divide(
        lambda key: place.partition_of(key) == place.partition,
        partitions=place.partitions,
        keeps_events=place.partition == divided_from,
    )
    child.machine.check()
    position = child.applied.position
    await storage.log.skip(through=position)
    await write_snapshot(storage.snapshots, storage.shelf, position=position, saved=child.save())
    again = await _recovered(service, storage, place)
    invariant(again.digest() == child.digest(), "what was written is read back", partition=place.log_name)
    return Part(place.partition, divided_from, position, things)


def _check_numbers(service: Service, partitions: int) -> None:
    if partitions <= service.partitions or partitions % service.partitions or partitions > PARTITIONS_MAX:
        raise Rejected(
            f"{service.name} has {service.partitions} partitions and can't be divided among {partitions}: choose a "
            f"multiple of {service.partitions}, up to {PARTITIONS_MAX}"
        )


def _check_parent(service: Service, parent: Partition, number: int) -> None:
    name = Place(service.name, number).log_name
    if not isinstance(parent.machine, Divisible):
        raise Rejected(
            f"{name} holds a state that can't be divided by key: start a new service with more partitions, "
            "and move into it what is to be there"
        )
    if parent.partitions != service.partitions:
        raise Rejected(f"{name} says that there are {parent.partitions} partitions, and not {service.partitions}")
    if parent.mailbox.waiting:
        raise Rejected(
            f"{name} has {parent.mailbox.waiting} messages that wait for other partitions: start the service as it "
            "is, and let them be delivered"
        )
