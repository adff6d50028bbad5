"""CloudEvents 1.0 in the JSON format."""

import json

import msgspec
import pytest

from ropewalk.communication.cloudevents import Origin, cloud_event
from ropewalk.core.codec import encode_value

ORIGIN = Origin("orders/3", 17, 1_767_323_045_000_000_006)


def made(data: bytes, *, subject: str = "A-1001") -> dict[str, object]:
    event: dict[str, object] = json.loads(cloud_event(ORIGIN, kind="order.paid", subject=subject, data=data))
    return event


def test_an_event_has_what_the_standard_requires_and_its_place_in_the_log() -> None:
    assert made(encode_value({"amount": 5})) == {
        "specversion": "1.0",
        "id": "orders-3-17-1886caf21c963206",
        "source": "/orders/3",
        "type": "order.paid",
        "time": "2026-01-02T03:04:05.000000006Z",
        "sequence": "00000000000000000017",
        "subject": "A-1001",
        "datacontenttype": "application/json",
        "data": {"amount": 5},
    }


@pytest.mark.parametrize("data", [None, 0, "", [], {"deep": [1, {"a": True}]}, "\N{SNOWMAN}"])
def test_any_json_value_is_written_as_it_is(data: object) -> None:
    assert made(encode_value(data))["data"] == data


@pytest.mark.parametrize("data", [b"", b"\xc1", encode_value("a")[:-1], encode_value(1) + b"x"])
def test_what_is_no_messagepack_is_passed_on_in_base64(data: bytes) -> None:
    event = made(data)
    assert event["datacontenttype"] == "application/octet-stream"
    assert msgspec.convert(event["data_base64"], bytes) == data
    assert "data" not in event


def test_an_empty_subject_is_left_out() -> None:
    assert "subject" not in made(encode_value(1), subject="")


def test_sequences_compare_as_strings_as_their_numbers_do() -> None:
    numbers = [1, 9, 10, 99, 100, 2**63]
    sequences = [
        json.loads(cloud_event(Origin("a/0", number, 1), kind="k", subject="s", data=b"\xc0"))["sequence"]
        for number in numbers
    ]
    assert sequences == sorted(sequences)


def test_no_two_events_have_one_id_and_a_log_that_was_begun_anew_repeats_none() -> None:
    origins = [Origin(log, number, time) for log in ("a/1", "a-1/1", "a/11") for number in (1, 11) for time in (5, 6)]
    ids = {origin.event_id for origin in origins}
    assert len(ids) == len(origins)
    assert not any("." in each for each in ids)
