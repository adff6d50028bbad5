"""Files that come in parts."""

import msgspec
import pytest

from ropewalk.core.codec import checksum
from ropewalk.systems.payments.machine import PaymentsMachine
from ropewalk.systems.payments.processing.limits import PART_BYTES_MAX, UPLOADS_MAX
from ropewalk.systems.payments.processing.messages import (
    Done,
    FileAccepted,
    FileRefused,
    NewAccount,
    OpenAccounts,
    OpenInstitution,
    OpenOriginator,
    Refused,
    SendPart,
    SubmitFile,
)
from tests.payments.processing.town import HARBOR, Town, batch_of, file_of, snapshot

PART = 400


@pytest.fixture
def town() -> Town:
    town = Town()
    town.do(OpenInstitution(HARBOR, "HARBOR"))
    town.do(OpenAccounts([NewAccount(HARBOR, "1", overdraft=True)]))
    town.do(OpenOriginator(HARBOR, "1", "ROPE WORKS", "1"))
    return town


@pytest.fixture
def content() -> bytes:
    batch = batch_of("PPD", company="1")
    for number in range(9):
        batch.add(
            transaction_code=22, routing_number=HARBOR, account="1", amount_cents=number + 1, individual_name="A"
        )
    return file_of(batch)


def parts_of(content: bytes) -> list[bytes]:
    return [content[first : first + PART] for first in range(0, len(content), PART)]


def send(town: Town, content: bytes) -> None:
    for place, part in enumerate(parts_of(content)):
        assert town.do(SendPart(checksum(content), place, part)) == Done()


def test_parts_in_any_order_and_repeated_make_the_file(town: Town, content: bytes) -> None:
    upload, parts = checksum(content), parts_of(content)
    for place in [*reversed(range(len(parts))), 0, 1]:
        assert town.do(SendPart(upload, place, parts[place])) == Done()
    accepted = town.do(SubmitFile(upload=upload, parts=len(parts)))
    assert isinstance(accepted, FileAccepted)
    assert accepted.entries == 9
    assert not town.machine.processing.state.uploads.blobs()
    assert town.do(SubmitFile(content)) == FileAccepted(0, 1, 9, 0, 45, repeated=True)


def test_a_missing_part_is_asked_for_and_the_others_are_kept(town: Town, content: bytes) -> None:
    upload, parts = checksum(content), parts_of(content)
    for place in range(1, len(parts)):
        town.do(SendPart(upload, place, parts[place]))
    refused = town.do(SubmitFile(upload=upload, parts=len(parts)))
    assert isinstance(refused, Refused)
    assert refused.reason == "parts_missing"
    town.do(SendPart(upload, 0, parts[0]))
    assert isinstance(town.do(SubmitFile(upload=upload, parts=len(parts))), FileAccepted)


def test_a_file_that_is_refused_leaves_nothing(town: Town, content: bytes) -> None:
    broken = content.replace(b"0000000009", b"0000000010")
    before = town.machine.processing.state.files.blobs()
    refused = town.do(SubmitFile(broken))
    assert isinstance(refused, FileRefused)
    assert refused.errors_total == len(refused.errors) > 0
    assert refused.errors[0].line > 0
    assert town.machine.processing.state.files.blobs() == before
    assert isinstance(town.do(SubmitFile(content)), FileAccepted)


@pytest.mark.parametrize(
    "command",
    [
        SendPart(b"short", 0, b"x"),
        SendPart(bytes(16), -1, b"x"),
        SendPart(bytes(16), 0, b""),
        SendPart(bytes(16), 0, b"x" * (PART_BYTES_MAX + 1)),
        SubmitFile(),
        SubmitFile(upload=bytes(16), parts=1),
    ],
)
def test_what_is_no_part_and_no_file_is_refused(town: Town, command: SendPart | SubmitFile) -> None:
    assert isinstance(town.do(command), Refused)


def test_the_upload_that_began_first_makes_room(town: Town) -> None:
    for number in range(UPLOADS_MAX + 1):
        town.do(SendPart(number.to_bytes(16, "big"), 0, b"x"))
        if not number:
            (first,) = town.machine.processing.state.uploads.blobs()
    blobs = town.machine.processing.state.uploads.blobs()
    assert len(blobs) == UPLOADS_MAX
    assert first not in blobs


def test_a_part_that_is_sent_again_changes_nothing_of_what_a_snapshot_has(town: Town, content: bytes) -> None:
    send(town, content)
    saved, applied = town.machine.save(), len(town.batches)
    assert isinstance(town.do(SubmitFile(upload=checksum(content), parts=len(parts_of(content)))), FileAccepted)
    town.do(SendPart(checksum(content), 0, b"other bytes"))
    replica = PaymentsMachine(town.shelf)
    replica.load({name: bytes(part) for name, part in saved.parts.items()})
    for batch in town.batches[applied:]:
        replica.apply(batch)
    assert replica.digest() == town.machine.digest()


def test_parts_that_come_again_while_a_snapshot_is_written_stay(town: Town, content: bytes) -> None:
    submit = SubmitFile(upload=checksum(content), parts=len(parts_of(content)))
    send(town, content)
    town.do(submit)
    with snapshot(town.shelf, town.machine):
        send(town, content)
    again = town.do(submit)
    assert isinstance(again, FileAccepted)
    assert again.repeated


def test_who_sends_the_same_parts_at_the_same_time_is_told_of_the_same_file(town: Town, content: bytes) -> None:
    submit = SubmitFile(upload=checksum(content), parts=len(parts_of(content)))
    for _ in range(2):
        send(town, content)
    first, second = town.do(submit), town.do(submit)
    assert isinstance(first, FileAccepted)
    assert second == msgspec.structs.replace(first, repeated=True)


def test_nonsense_is_an_invalid_file_and_never_an_error(town: Town) -> None:
    for nonsense in (b"\xff" * 94, b"101 hello\n", b"\n"):
        assert isinstance(town.do(SubmitFile(nonsense)), FileRefused)
