"""A service whose partitions send each other messages: purses, and payments between those of different partitions."""

from collections.abc import Mapping

import msgspec

from ropewalk.core.effects import At, Publish, Replied, Send
from ropewalk.core.keyed import Applied, Entry
from ropewalk.runtime.service import Service


class Fill(msgspec.Struct, frozen=True, tag=True):
    purse: str
    amount: int


class Pay(msgspec.Struct, frozen=True, tag=True):
    """Pay from a purse to another; with `asks`, the payer's purse notes the reply."""

    source: str
    target: str
    amount: int
    asks: bool = False


class PayLater(msgspec.Struct, frozen=True, tag=True):
    source: str
    target: str
    amount: int
    time_ns: int


class Bring(msgspec.Struct, frozen=True, tag=True):
    """What only a partition may say: this was paid elsewhere."""

    target: str
    amount: int


def apply(purses: Mapping[str, int], entry: Entry[Fill | Pay | PayLater | Bring | Replied]) -> Applied[int]:
    match entry.command:
        case Fill(purse, amount):
            return Applied("filled", {purse: purses.get(purse, 0) + amount})
        case Pay(source, target, amount, asks):
            if purses.get(source, 0) < amount:
                return Applied("empty")
            bring = Send(target, Bring(target, amount), tag=source if asks else "")
            return Applied("sent", {source: purses[source] - amount}, [bring])
        case PayLater(source, target, amount, time_ns):
            return Applied("later", effects=[At(time_ns, Pay(source, target, amount))])
        case Bring(target, amount):
            total = purses.get(target, 0) + amount
            return Applied(total, {target: total}, [Publish("brought", target, [amount, entry.sender])])
        case Replied(tag, reply):
            return Applied("noted", {f"reply to {tag}": reply if isinstance(reply, int) else -1})


def town(partitions: int) -> Service:
    return Service.keyed(
        "town",
        commands=Fill | Pay | PayLater,
        messages=Bring,
        value=int,
        reply=object,
        apply=apply,
        key=lambda command: command.purse if isinstance(command, Fill) else command.source,
        partitions=partitions,
    )


SOURCE, TARGET = "alice", "bob"
"""Of five partitions, in the fifth and in the third."""
