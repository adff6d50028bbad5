"""CloudEvents 1.0 in the JSON format, structured mode: what an event looks like to consumers outside.

    {"specversion": "1.0", "id": "orders-0-17-1886caf21c963206", "source": "/orders/0", "type": "order.paid",
     "time": "2026-01-02T03:04:05.000000006Z", "subject": "A-1001", "sequence": "00000000000000000017",
     "datacontenttype": "application/json", "data": {...}}

`source` names the log and `sequence` (the standard extension) the event's number in it: of one source, sequences
compare as strings do, and have no gaps. The id holds the event's time too, so that a log that was begun anew does not
repeat the ids of the old one.

Promise:    the same event gives the same bytes, however often it is sent.
Checked by: tests/communication/test_cloudevents.py
"""

from datetime import UTC, datetime
from typing import Final

import msgspec

MEDIA_TYPE: Final = "application/cloudevents+json"
SPECVERSION: Final = "1.0"

_JSON: Final = "application/json"
_BINARY: Final = "application/octet-stream"
_NANOSECONDS: Final = 1_000_000_000
_SEQUENCE_DIGITS: Final = 20
"""Enough for any number of 64 bits: padded, they compare as strings do."""
_ENCODER: Final = msgspec.json.Encoder()


class CloudEvent(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An event's attributes, in the order in which they are written, and its data."""

    specversion: str
    id: str
    source: str
    type: str
    time: str
    sequence: str
    datacontenttype: str
    subject: str | msgspec.UnsetType = msgspec.UNSET
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data_base64: bytes | msgspec.UnsetType = msgspec.UNSET


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Where and when an event happened: its log, its number there, nanoseconds since 1970 (UTC)."""

    log_name: str
    number: int
    time_ns: int

    @property
    def event_id(self) -> str:
        """An id that no other event has. It has no dots: a signature puts it between dots."""
        return f"{self.log_name.replace('/', '-')}-{self.number}-{self.time_ns:x}"


def cloud_event(origin: Origin, *, kind: str, subject: str, data: bytes) -> bytes:
    """The JSON of an event. `data` is MessagePack, as services publish it; anything else is passed on as base64."""
    content = _json(data)
    return _ENCODER.encode(
        CloudEvent(
            specversion=SPECVERSION,
            id=origin.event_id,
            source=f"/{origin.log_name}",
            type=kind,
            time=_rfc3339(origin.time_ns),
            sequence=str(origin.number).zfill(_SEQUENCE_DIGITS),
            datacontenttype=_BINARY if content is None else _JSON,
            # An attribute that is there must not be empty.
            subject=subject or msgspec.UNSET,
            data=msgspec.UNSET if content is None else msgspec.Raw(content),
            data_base64=data if content is None else msgspec.UNSET,
        )
    )


def _json(data: bytes) -> bytes | None:
    try:
        return _ENCODER.encode(msgspec.msgpack.decode(data))
    except (msgspec.DecodeError, TypeError, ValueError):
        return None


def _rfc3339(time_ns: int) -> str:
    seconds, nanoseconds = divmod(time_ns, _NANOSECONDS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09}Z"
