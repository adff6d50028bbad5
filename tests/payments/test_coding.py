"""Logs keep these bytes, so what was once encoded is encoded the same, and read, for ever."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from ropewalk.errors import Rejected
from ropewalk.systems.payments.cards import commands as cards
from ropewalk.systems.payments.chains import messages as chains
from ropewalk.systems.payments.controls import messages as controls
from ropewalk.systems.payments.instant import elsewhere as instant_elsewhere
from ropewalk.systems.payments.instant import messages as instant
from ropewalk.systems.payments.processing import elsewhere as ach_elsewhere
from ropewalk.systems.payments.processing import messages as ach
from ropewalk.systems.payments.shards import messages as shards


class Coded(NamedTuple):
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]
    said: Any
    encoded: bytes
    name: str


ALL = [
    Coded(
        ach.encode_command,
        ach.decode_command,
        ach.RunWindow(7),
        b"\xac\x82\xa7command\xa9RunWindow\xaathrough_ns\x07",
        "an ACH command",
    ),
    Coded(
        ach.encode_query,
        ach.decode_query,
        ach.GetWindow(7),
        b"\xac\x82\xa5query\xa9GetWindow\xa6window\x07",
        "an ACH query",
    ),
    Coded(
        ach_elsewhere.encode_message,
        ach_elsewhere.decode_message,
        ach_elsewhere.PhaseDone(7, 2),
        b"\xac\x93\xa4done\x07\x02",
        "a message about ACH",
    ),
    Coded(
        cards.encode_command,
        cards.decode_command,
        cards.BlockCard(b"token", "lost"),
        b"\xca\x83\xa7command\xa9BlockCard\xa5token\xc4\x05token\xa5state\xa4lost",
        "a command about cards",
    ),
    Coded(
        cards.encode_query,
        cards.decode_query,
        cards.ListProgrammes("1"),
        b"\xca\x82\xa5query\xaeListProgrammes\xa7routing\xa11",
        "a query about cards",
    ),
    Coded(chains.encode, chains.decode, chains.Settle("c-1"), b"\xc4\x92\xa6settle\xa3c-1", "a message of a chain"),
    Coded(
        controls.encode,
        controls.decode_command,
        controls.Unfreeze("ann", "paid", "1", "2"),
        b"\x0c\x85\xa7command\xa8Unfreeze\xa3who\xa3ann\xa3why\xa4paid\xa7routing\xa11\xa6number\xa12",
        "a command about controls",
    ),
    Coded(
        controls.encode,
        controls.decode_query,
        controls.GetAccountControls("1", "2"),
        b"\x0c\x83\xa5query\xb2GetAccountControls\xa7routing\xa11\xa6number\xa12",
        "a query about controls",
    ),
    Coded(
        instant.encode_command,
        instant.decode_command,
        instant.Decide("u", True, "ann", "known"),
        b" \x86\xa7command\xa6Decide\xa4uetr\xa1u\xa6accept\xc3\xa3who\xa3ann\xa3why\xa5known\xa6reason\xa0",
        "a command of instant payments",
    ),
    Coded(
        instant.encode_query,
        instant.decode_query,
        instant.GetReport("u"),
        b" \x82\xa5query\xa9GetReport\xa4uetr\xa1u",
        "a query of instant payments",
    ),
    Coded(
        instant_elsewhere.encode_message,
        instant_elsewhere.decode_message,
        instant_elsewhere.Verdict("u"),
        b" \x84\xa4type\xa7verdict\xa4uetr\xa1u\xa6reason\xa0\xa4asks\xc2",
        "a message between shards about instant payments",
    ),
    Coded(
        shards.encode,
        shards.decode_command,
        shards.CreateTogether(b"rows"),
        b",\x92\xafcreate_together\xc4\x04rows",
        "a command about transfers between shards",
    ),
    Coded(
        shards.encode, shards.decode_message, shards.Inquire(7), b",\x92\xa7inquire\x07", "a message between shards"
    ),
    Coded(
        shards.encode,
        shards.decode_query,
        shards.IsDecided(7),
        b",\x92\xaais_decided\x07",
        "a query about what is between shards",
    ),
]


@pytest.mark.parametrize("coded", ALL, ids=lambda coded: coded.name)
def test_what_is_asked_has_the_bytes_that_it_has_had_in_logs(coded: Coded) -> None:
    assert coded.encode(coded.said) == coded.encoded
    assert coded.decode(coded.encoded) == coded.said


@pytest.mark.parametrize("coded", ALL, ids=lambda coded: coded.name)
def test_what_is_nothing_of_the_kind_is_rejected_by_its_name(coded: Coded) -> None:
    for unreadable in (b"", coded.encoded[:1], coded.encoded[:-1], coded.encoded[:1] + b"\x01"):
        with pytest.raises(Rejected, match=f"^not {coded.name}: "):
            coded.decode(unreadable)
