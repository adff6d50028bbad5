"""What an answer says about the target that gave it: it is well, it is busy, or it is sick.

    answered          well    it works
    Rejected          well    it works: it has read the request and said no
    NotAccepted       busy    it works at its full rate, and has no room now
    Unreachable       sick    nothing listens there
    OutcomeUnknown    sick    no answer came, or a broken one
    any other error   sick    its partition has stopped

A busy target must not count as a failing one. It sheds load to keep its rate; a breaker that opened on its refusals
would take that rate away as well. It is left alone for as long as it asked, and no longer.

Checked by: tests/communication/test_outcomes.py
"""

import enum

from ropewalk.errors import NotAccepted, Rejected, RopewalkError


class Sign(enum.Enum):
    """How a target seems to be."""

    WELL = "well"
    BUSY = "busy"
    SICK = "sick"


class Unreachable(NotAccepted):
    """There is no connection to the target, so nothing was sent and nothing happened: ask another."""


def sign_of(error: RopewalkError | None) -> Sign:
    """What an answer (None) or an error says of its target."""
    match error:
        case None | Rejected():
            return Sign.WELL
        case Unreachable():
            return Sign.SICK
        case NotAccepted():
            return Sign.BUSY
        case _:
            return Sign.SICK
