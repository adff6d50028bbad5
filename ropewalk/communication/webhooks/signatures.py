"""Signatures of webhooks, as Standard Webhooks 1.0 defines them: HMAC-SHA256 over id, timestamp and body.

    webhook-id         the event's id: the same however often it is sent
    webhook-timestamp  seconds since 1970 of this attempt
    webhook-signature  v1,BASE64 for each of the endpoint's secrets, one space between them

A receiver needs `verify` and nothing else of this package.

Promise:    `verify` returns only if the body is what a holder of one of the secrets signed, for this id and time, and
            the time is within the tolerance; its comparison takes the same time for every wrong signature.
Not given:  that a message is new: the same id may come again, so remember ids for as long as it matters.
Checked by: tests/communication/webhooks/test_signatures.py
"""

import base64
import binascii
import hmac
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ropewalk.communication.webhooks.limits import SECRET_BYTES_MAX, SECRET_BYTES_MIN, TOLERANCE_S
from ropewalk.errors import Rejected

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"

_PREFIX: Final = "whsec_"
_VERSION: Final = "v1,"
_TIMESTAMP_DIGITS: Final = 20


def secret_text(key: bytes) -> str:
    """A signing key as it is shown to people."""
    return _PREFIX + base64.b64encode(key).decode()


def secret_key(secret: str) -> bytes:
    """The key in a secret. Raises Rejected if it is none, without repeating it."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise Rejected(f"the secret is no base64 behind {_PREFIX}: copy it whole") from None
    if not SECRET_BYTES_MIN <= len(key) <= SECRET_BYTES_MAX:
        raise Rejected(f"the secret has {len(key)} bytes: take {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} random ones")
    return key


def sign(body: bytes, keys: Iterable[bytes], *, message_id: str, timestamp: int) -> str:
    """The signature header of a message: one signature for each key."""
    content = _content(message_id, str(timestamp), body)
    return " ".join(_VERSION + _signature(content, key) for key in keys)


def verify(
    body: bytes, headers: Mapping[str, str], secrets: Sequence[str], *, now_s: float, tolerance_s: int = TOLERANCE_S
) -> str:
    """Return the id of a message if it is genuine and recent. `headers` are looked up by their lower-case names.

    `body` is what arrived, byte for byte. Raises Rejected, with the reason, if the message is not to be trusted.
    """
    try:
        message_id, timestamp, signatures = (headers[name] for name in (ID, TIMESTAMP, SIGNATURE))
    except KeyError as error:
        raise Rejected(f"there is no header {error.args[0]}: this is no Standard Webhook") from None
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _TIMESTAMP_DIGITS):
        raise Rejected(f"{TIMESTAMP} is {timestamp[:_TIMESTAMP_DIGITS]!r}, and no number of seconds")
    if abs(now_s - int(timestamp)) > tolerance_s:
        raise Rejected(f"{TIMESTAMP} is {timestamp}, more than {tolerance_s} s from now: old, or a clock is wrong")
    content = _content(message_id, timestamp, body)
    expected = [_signature(content, secret_key(secret)) for secret in secrets]
    given = [each.removeprefix(_VERSION) for each in signatures.split(" ") if each.startswith(_VERSION)]
    # All pairs are compared, so that the time it takes says nothing about which of them is right.
    matches = [hmac.compare_digest(each.encode(), one.encode()) for each in given for one in expected]
    if not any(matches):
        raise Rejected(f"no {SIGNATURE} fits: the secret is another one, or the body was changed on its way")
    return message_id


def _content(message_id: str, timestamp: str, body: bytes) -> bytes:
    return f"{message_id}.{timestamp}.".encode() + body


def _signature(content: bytes, key: bytes) -> str:
    return binascii.b2a_base64(hmac.digest(key, content, "sha256"), newline=False).decode()
