"""What an answer says about the target that gave it."""

import pytest

from ropewalk.communication.outcomes import Sign, Unreachable, sign_of
from ropewalk.errors import Damaged, NotAccepted, OutcomeUnknown, Rejected, RopewalkError


@pytest.mark.parametrize(
    ("error", "sign"),
    [
        (None, Sign.WELL),
        (Rejected("no such account"), Sign.WELL),
        (NotAccepted("the queue is full"), Sign.BUSY),
        (Unreachable("nothing listens there"), Sign.SICK),
        (OutcomeUnknown("the connection broke"), Sign.SICK),
        (Damaged("record 7 is not what was written"), Sign.SICK),
        (RopewalkError("something else"), Sign.SICK),
    ],
)
def test_an_answer_says_how_its_target_is(error: RopewalkError | None, sign: Sign) -> None:
    assert sign_of(error) is sign
