"""Seats of a concert: each is sold once, however often a buyer's connection fails."""

import asyncio
from collections.abc import Mapping

import msgspec

from ropewalk import Applied, Entry, Service, open_engine, open_node


class Buy(msgspec.Struct, frozen=True, tag=True):
    seat: str
    buyer: str


def apply(sold: Mapping[str, str], entry: Entry[Buy]) -> Applied[str]:
    if entry.command.seat in sold:
        return Applied("taken")
    return Applied("yours", writes={entry.command.seat: entry.command.buyer})


async def main() -> None:
    async with open_node(seats, open_engine("sqlite:seats")) as node:
        print((await node.call(Buy("A1", "Ada"))).value)


seats = Service.keyed("seats", commands=Buy, value=str, reply=str, apply=apply, key=lambda buy: buy.seat)
if __name__ == "__main__":
    asyncio.run(main())
