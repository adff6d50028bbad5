"""What may be sent to a neighbour, and what is said of what may not."""

import msgspec
import pytest

from ropewalk.coordination.neighbours import Call, Neighbour, place_of, refusal, send, words_of
from ropewalk.core.effects import Send
from ropewalk.core.place import Place
from ropewalk.errors import Rejected


class Ring(msgspec.Struct, frozen=True, tag=True):
    bell: str


NEIGHBOURS = {"bells": Neighbour(Place("bells", 0, 4), (Ring,)), "raw": Neighbour(Place("raw"))}


def test_a_command_goes_to_the_partition_of_its_key_in_another_service() -> None:
    call = Call("bells", "b", Ring("b"))
    assert refusal(NEIGHBOURS, call) == ""
    assert send(NEIGHBOURS, call, tag="t") == Send("b", Ring("b"), "t", at=Place("bells", 0, 4))
    assert refusal(NEIGHBOURS, Call("raw", "b", b"bytes")) == ""


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (Call("gongs", "b", Ring("b")), "there is no service 'gongs' here, but bells, raw"),
        (Call("bells", "b", b"bytes"), "bells takes Ring, and bytes was to be sent there"),
        (Call("raw", "b", Ring("b")), "raw takes bytes, and Ring was to be sent there"),
    ],
)
def test_what_a_service_can_not_read_is_not_sent_to_it(call: Call, why: str) -> None:
    assert refusal(NEIGHBOURS, call) == why


def test_a_service_that_is_gone_stops_who_needs_it() -> None:
    with pytest.raises(Rejected, match="gongs takes part in what is under way and is not here"):
        place_of(NEIGHBOURS, "gongs")


def test_a_reply_is_words() -> None:
    assert words_of("sold out", chars_max=4) == "sold"
    assert words_of({"seats": 0}, chars_max=40) == '{"seats":0}'
