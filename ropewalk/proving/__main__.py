"""`python -m ropewalk.proving MODULE:FUNCTION`: every check against an engine of your own, and which of them hold.

The function takes a number and opens the engine of that number: new the first time, and the same again later, as a
process that starts does. A child process does the same until it is killed.

Checked by: tests/engines/test_conformance.py
"""

import asyncio
import sys
import traceback
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from ropewalk.proving.conformance import ENGINE_CHECKS
from ropewalk.proving.crashes import check_crashes, factory

_KILLS: Final = 5
_CRASHES: Final = "what_was_durable_survives_kill_9_of_its_process"


def main(arguments: Sequence[str]) -> int:
    """Run every check and print a line for each; 1 if one is broken."""
    if len(arguments) != 1 or ":" not in arguments[0]:
        sys.stderr.write("usage: python -m ropewalk.proving MODULE:FUNCTION\n")
        return 2
    [place] = arguments
    open_numbered = factory(place)
    broken = 0
    for number, check in enumerate(ENGINE_CHECKS):
        broken += _is_broken(check.__name__, partial(check, partial(open_numbered, number)))
    broken += _is_broken(_CRASHES, partial(_killed, place, number=len(ENGINE_CHECKS)))
    return 1 if broken else 0


async def _killed(place: str, *, number: int) -> None:
    await asyncio.to_thread(
        check_crashes, place, number=number, kills=_KILLS, random=Random(number), folder=Path.cwd()
    )


def _is_broken(claim: str, check: Callable[[], Awaitable[None]]) -> bool:
    """Run one check and tell how it ended; whatever an unknown engine raises is the end of this one check only."""

    async def run() -> BaseException | None:
        [error] = await asyncio.gather(check(), return_exceptions=True)
        return error

    error = asyncio.run(run())
    claim = claim.replace("_", " ")
    if error is None:
        sys.stdout.write(f"holds   {claim}\n")
        return False
    told = "".join(traceback.format_exception(error)).rstrip()
    sys.stdout.write(f"BROKEN  {claim}\n{told}\n")
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
