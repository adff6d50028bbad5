"""Nothing of a card but its first six and last four digits is in any log, snapshot, trace, metric or answer."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from ropewalk import open_engine, open_node
from ropewalk.observability.metrics import REGISTRY
from ropewalk.systems.payments.cards.client import connected_cards
from ropewalk.systems.payments.cards.codec import Codec, Fields
from ropewalk.systems.payments.cards.commands import IssueCards, NewCard, encode_command
from ropewalk.systems.payments.cards.framing import framed
from ropewalk.systems.payments.cards.masking import masked, shown
from ropewalk.systems.payments.cards.server import Terms, serving_cards
from ropewalk.systems.payments.cards.specification import load_specification
from tests.payments.cards.bank import KEY, number_of
from tests.payments.cards.served import NOW_NS, message, naming, open_bank, service, submit
from tests.payments.processing.town import HARBOR
from tests.spans import collected

SPECIFICATION = load_specification()
CARD = 918_273_645
NUMBER = number_of(CARD)
TRACK_1, TRACK_2, TRACK_3 = f"B{NUMBER}^ROPE/WALK^29121010000", f"{NUMBER}=29121019876543210", "013141592653589"
SECRETS: Fields = {
    "35": TRACK_2, "36": TRACK_3, "45": TRACK_1, "48": "CVV 927", "52": "A1B2C3D4E5F60718", "53": "2718281828459045",
    "55": "5711" + NUMBER, "62": "PIN 8642",
}  # fmt: skip
HIDDEN = [NUMBER, NUMBER[6:], TRACK_3, "29121019876543210", "ROPE/WALK", "CVV 927", *SECRETS.values(), "8642"]


def traces_of(secret: str) -> list[bytes]:
    """How a secret might look where it should not be: as text, packed, or hidden in hexadecimal."""
    digits = "".join(character for character in secret if character in "0123456789ABCDEFabcdef")
    packed = bytes.fromhex(digits[: len(digits) // 2 * 2])
    looks = [secret.encode(), secret.encode().hex().encode()]
    return looks + ([packed] if len(packed) >= 4 else [])


def leaks(content: bytes) -> list[str]:
    return [secret for secret in HIDDEN for look in traces_of(secret) if look in content]


async def talk(folder: Path) -> list[Fields]:
    """Messages of every kind with all the secrets there are, some that can't be read, and a stop."""
    answers: list[Fields] = []
    async with open_node(service(), open_engine(f"sqlite:{folder}"), clock_ns=lambda: NOW_NS) as node:
        await open_bank(node, cards=1)
        card = NewCard(KEY.token(NUMBER), masked(NUMBER), HARBOR, "0", "2912")
        await submit(node, [encode_command(IssueCards([card], KEY.check))])
        async with (
            serving_cards(node, Terms(KEY, SPECIFICATION), port=0) as address,
            connected_cards(*address, SPECIFICATION) as client,
        ):
            hold = message("0100", CARD, 5_00) | SECRETS
            swiped = {number: text for number, text in message("0200", CARD, 5_00).items() if number != "2"} | SECRETS
            asked = [
                hold, {**hold, "t": "0101"}, swiped, message("0220", CARD, 5_00, f90=naming(hold)) | SECRETS,
                message("0420", CARD, 5_00, f90=naming(swiped)) | SECRETS, message("0100", CARD, 9_999_00) | SECRETS,
                message("0100", CARD, 1_00, f14="xxxx") | SECRETS, message("0100", 1, 1_00) | SECRETS,
            ]  # fmt: skip
            answers += [await client.ask(each) for each in asked]
            reader, writer = await asyncio.open_connection(*address)
            whole = Codec(SPECIFICATION).pack(hold)
            writer.write(framed(whole[:-1], SPECIFICATION.framing) + framed(whole + b"!", SPECIFICATION.framing))
            assert await reader.read(1)
            writer.write(b"\xff\xff" + whole)
            assert await reader.read()
            writer.close()
            await writer.wait_closed()
    return answers


def kept(folder: Path) -> bytes:
    """Every byte of every file."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_no_secret_is_kept_logged_traced_measured_or_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    collected().clear()
    answers = asyncio.run(talk(tmp_path))
    assert [each["39"] for each in answers] == ["00", "00", "00", "00", "00", "51", "30", "14"]

    files = kept(tmp_path)
    assert masked(NUMBER).encode() in files
    assert KEY.token(NUMBER) in files
    assert leaks(files) == []

    logged = caplog.text.encode()
    assert logged.count(b"can't be read") == 3
    assert leaks(logged) == []

    spans = "\n".join(span.to_json() for span in collected().get_finished_spans()).encode()
    assert masked(NUMBER).encode() in spans
    assert b'"iso8583.response_code": "51"' in spans
    assert leaks(spans) == []

    assert b'ropewalk_card_messages_answered_total{code="51"' in generate_latest(REGISTRY)
    assert leaks(generate_latest(REGISTRY)) == []
    for answer in answers:
        assert leaks(repr({number: text for number, text in answer.items() if number != "2"}).encode()) == []


@pytest.mark.parametrize("place", ["files", "log", "span"])
def test_a_leak_is_caught(place: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Canaries: a number in a file, packed; in a log; in what a trace shows."""
    content: Sequence[bytes]
    match place:
        case "files":
            (tmp_path / "kept").write_bytes(b"before" + bytes.fromhex(NUMBER) + b"behind")
            content = [kept(tmp_path)]
        case "log":
            logging.getLogger("ropewalk").warning("seen: %s", SECRETS)
            content = [caplog.text.encode()]
        case _:
            content = [repr({**shown({"t": "0100", "2": NUMBER}), "2": NUMBER}).encode()]
    assert all(leaks(each) for each in content)
