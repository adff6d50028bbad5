"""A replica: its state is a function of the records, however they come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.core.chain import Head, Position
from ropewalk.core.codec import Kind, Record, decode_record, encode_record, encode_value
from ropewalk.core.effects import Send
from ropewalk.core.keyed import Applied, Entry, KeyedMachine
from ropewalk.core.mailbox import Delivery, Letter
from ropewalk.core.partition import Partition
from ropewalk.core.place import Place
from ropewalk.errors import Bug
from tests.runtime.counter import Add, counter, request

WRITERS = 3


def history(choices: list[tuple[int, bool]]) -> list[bytes]:
    """What some writers append who each follow what they know; one that reads first also opens a term."""
    partition = Partition(counter())
    known = [(Head(), 0)] * WRITERS
    payloads: list[bytes] = []
    for writer, reads_first in choices:
        if reads_first:
            known[writer] = (partition.head, partition.term)
        head, term = known[writer]
        kind = Kind.TERM if reads_first else Kind.BATCH
        requests = [] if reads_first else [request(Add("a", 1), bytes([len(payloads)]) * 16)]
        record = Record(kind, 1, term + reads_first, len(payloads), head, bytes([writer]) * 16, requests)
        payload, checksum = encode_record(record)
        payloads.append(payload)
        feed(partition, payload)
        if head == known[writer][0]:
            known[writer] = (Head(Position(len(payloads)), checksum), term + reads_first)
    return payloads


def feed(partition: Partition, payload: bytes) -> None:
    stored = decode_record(Position(partition.read_through + 1), payload, machine_version_max=1)
    if partition.admit(stored):
        partition.apply(stored)


opened = st.lists(st.tuples(st.integers(0, WRITERS - 1), st.booleans()), max_size=20).map(
    lambda choices: [(0, True), *choices]
)


@given(opened, st.integers(0, 20))
def test_a_replica_that_begins_at_any_snapshot_ends_as_one_from_the_start(
    choices: list[tuple[int, bool]], place: int
) -> None:
    try:
        payloads = history(choices)
    except Bug:
        # A writer that never read wrote into a term that is not its own: no leader does that.
        return
    whole = Partition(counter())
    for payload in payloads:
        feed(whole, payload)
    first = Partition(counter())
    for payload in payloads[:place]:
        feed(first, payload)
    second = Partition(counter())
    second.load(first.save().parts)
    for payload in payloads[second.read_through :]:
        feed(second, payload)
    assert second.digest() == whole.digest()


def test_a_record_that_is_left_out_is_a_bug() -> None:
    payloads = history([(0, True), (0, False), (0, False)])
    partition = Partition(counter())
    feed(partition, payloads[0])
    stored = decode_record(Position(3), payloads[2], machine_version_max=1)
    with pytest.raises(Bug, match="none is left out"):
        partition.admit(stored)


def test_a_machine_never_sees_time_fall() -> None:
    partition = Partition(counter())
    for time_ns in (50, 20, 60):
        kind = Kind.BATCH if partition.term else Kind.TERM
        payload, _ = encode_record(Record(kind, 1, 1, time_ns, partition.head, bytes(16)))
        feed(partition, payload)
        assert partition.time_ns == max(50, time_ns)


def test_a_reply_comes_behind_what_was_sent_before_it_was_given() -> None:
    """Who asks "is it decided?" and hears "yes" has heard the decision itself."""
    sender, own = "town/0", Place("town", 1, 2)

    def apply(_: object, entry: Entry[Add]) -> Applied[int]:
        decision = Send("a", Add("a", 1), at=Place("town", 0, 1))
        return Applied("yes") if entry.sender else Applied("decided", effects=[decision])

    machine = KeyedMachine("town", commands=Add, value=int, apply=apply, place=own)
    partition = Partition(machine)
    question = Letter(encode_value(Add("a", 0)), b"tag")
    for kind, requests, notes in (
        (Kind.TERM, [], []),
        (Kind.BATCH, [request(Add("a", 0))], [Delivery(sender, own.log_name, 1, [question])]),
    ):
        record = Record(kind, 1, 1, 0, partition.head, bytes(16), requests, notes)
        feed(partition, encode_record(record)[0])
    _, letters = partition.mailbox.letters(sender, after=0, count_max=9, bytes_max=999)
    assert letters == [Letter(encode_value(Add("a", 1))), Letter(encode_value("yes"), b"tag", is_reply=True)]
