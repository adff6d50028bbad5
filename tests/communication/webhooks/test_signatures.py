"""Signatures against the example that the reference libraries of Standard Webhooks are tested with, and its rules."""

import pytest

from ropewalk.communication.webhooks.limits import TOLERANCE_S
from ropewalk.communication.webhooks.signatures import secret_key, secret_text, sign, verify
from ropewalk.errors import Rejected

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = secret_text(bytes(range(32)))
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIME = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
WRONG = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="


def headers(signature: str = SIGNATURE, **others: str) -> dict[str, str]:
    return {"webhook-id": ID, "webhook-timestamp": str(TIME), "webhook-signature": signature} | others


def test_the_published_example_is_signed_as_published_and_verified() -> None:
    assert sign(BODY, [secret_key(SECRET)], message_id=ID, timestamp=TIME) == SIGNATURE
    assert verify(BODY, headers(), [SECRET], now_s=TIME) == ID
    assert verify(BODY, headers(), [SECRET.removeprefix("whsec_")], now_s=TIME) == ID


def test_one_signature_of_several_is_enough_so_secrets_can_be_rotated() -> None:
    signed = sign(BODY, [secret_key(OTHER), secret_key(SECRET)], message_id=ID, timestamp=TIME)
    assert signed.split(" ")[1] == SIGNATURE
    for known in ([SECRET], [OTHER], [OTHER, SECRET]):
        assert verify(BODY, headers(signed), known, now_s=TIME) == ID
    assert verify(BODY, headers(f"{WRONG} v2,x v1a,x {SIGNATURE} {WRONG}"), [SECRET], now_s=TIME) == ID


@pytest.mark.parametrize("now_s", [TIME - TOLERANCE_S, TIME + TOLERANCE_S])
def test_a_message_is_taken_within_the_tolerance_and_not_beyond(now_s: int) -> None:
    assert verify(BODY, headers(), [SECRET], now_s=now_s) == ID
    beyond = now_s + (now_s - TIME) // TOLERANCE_S
    with pytest.raises(Rejected, match="more than 300 s from now"):
        verify(BODY, headers(), [SECRET], now_s=beyond)


@pytest.mark.parametrize(
    ("body", "given", "secret", "told"),
    [
        (BODY + b" ", headers(), SECRET, "the body was changed"),
        (BODY, headers(**{"webhook-id": "msg_2"}), SECRET, "the body was changed"),
        (BODY, headers(**{"webhook-timestamp": str(TIME + 1)}), SECRET, "the body was changed"),
        (BODY, headers(), OTHER, "the secret is another one"),
        (BODY, headers(WRONG), SECRET, "no webhook-signature fits"),
        (BODY, headers(SIGNATURE.replace("v1,", "v2,")), SECRET, "no webhook-signature fits"),
        (BODY, headers("v1,\N{SNOWMAN}"), SECRET, "no webhook-signature fits"),
        (BODY, headers(**{"webhook-timestamp": "soon"}), SECRET, "no number of seconds"),
        (BODY, headers(**{"webhook-timestamp": "9" * 5_000}), SECRET, "no number of seconds"),
        (BODY, {"webhook-id": ID}, SECRET, "no header webhook-timestamp"),
    ],
)
def test_what_is_not_genuine_is_rejected_with_the_reason(
    body: bytes, given: dict[str, str], secret: str, told: str
) -> None:
    with pytest.raises(Rejected, match=told):
        verify(body, given, [secret], now_s=TIME)


@pytest.mark.parametrize(
    ("secret", "told"),
    [("whsec_not base64", "no base64"), ("whsec_\N{SNOWMAN}", "no base64"), (secret_text(bytes(23)), "23 bytes")],
)
def test_a_secret_that_is_none_is_refused_and_not_repeated(secret: str, told: str) -> None:
    with pytest.raises(Rejected, match=told) as refused:
        secret_key(secret)
    assert secret not in str(refused.value)
