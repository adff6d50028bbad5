"""Keyed machines behind a partition: writes, refusals, timers, repeats."""

from collections.abc import Mapping

import msgspec
import pytest

from ropewalk.core.chain import Position
from ropewalk.core.codec import Kind, Record, decode_record, encode_record, encode_value
from ropewalk.core.effects import At, Publish
from ropewalk.core.keyed import GUARDED, Applied, Entry, Guarded, KeyedMachine
from ropewalk.core.machine import Batch, Request
from ropewalk.core.mailbox import Delivery, Letter, Mailbox
from ropewalk.core.partition import Partition
from ropewalk.errors import Bug, Damaged, Rejected


class Add(msgspec.Struct, frozen=True, tag=True):
    key: str
    amount: int


class AddLater(msgspec.Struct, frozen=True, tag=True):
    key: str
    amount: int
    at_ns: int


def apply(state: Mapping[str, int], entry: Entry[Add | AddLater]) -> Applied[int]:
    match entry.command:
        case Add(key, amount):
            if amount < 0:
                return Applied("amount_negative")
            total = state.get(key, 0) + amount
            return Applied(total, {key: total})
        case AddLater(key, amount, at_ns):
            return Applied("set", effects=[At(at_ns, Add(key, amount))])


NO_TEXT = encode_value({"type": "Add", "key": "a", "amount": 1}).replace(b"\xa1a", b"\xa1\xff")
TOO_DEEP = b"\x82\xa1x" + b"\x91" * 100_000 + b"\xc0" + encode_value("type") + encode_value("Add")


def counter() -> KeyedMachine[int, Add | AddLater, str]:
    return KeyedMachine("counter", commands=Add | AddLater, value=int, apply=apply)


def batch(time_ns: int, *commands: msgspec.Struct) -> Batch:
    requests = [Request(bytes(16), encode_value(command)) for command in commands]
    return Batch(Position(1), time_ns, requests)


def replies(machine: KeyedMachine[int, Add | AddLater, str], given: Batch) -> list[object]:
    return [msgspec.msgpack.decode(reply) for reply in machine.apply(given).replies]


def test_a_command_sees_the_writes_of_those_before_it() -> None:
    assert replies(counter(), batch(1, Add("a", 2), Add("a", 3))) == [2, 5]


def test_a_refused_command_changes_nothing() -> None:
    machine = counter()
    before = machine.digest()
    assert replies(machine, batch(1, Add("a", -1))) == ["amount_negative"]
    assert machine.digest() == before


def test_timers_fire_once_in_the_order_of_their_time() -> None:
    machine = counter()
    assert machine.apply(batch(1, AddLater("a", 5, 30), AddLater("a", 1, 20))).wakes_at_ns == 20
    assert machine.apply(batch(20)).wakes_at_ns == 30
    assert machine.apply(batch(100)).wakes_at_ns is None
    assert replies(machine, batch(101, Add("a", 0))) == [6]


def test_a_command_that_can_not_be_read_is_rejected_before_it_is_written() -> None:
    for command in (encode_value({"type": "Multiply"}), b"\xc1", NO_TEXT, TOO_DEEP):
        with pytest.raises(Rejected, match="counter can't read this command"):
            counter().vet(command)


@pytest.mark.parametrize("is_reply", [False, True])
@pytest.mark.parametrize("command", [b"\xc1" + bytes(50), NO_TEXT], ids=["no_messagepack", "no_text"])
def test_a_message_that_can_not_be_read_stops_the_machine_and_says_whose_it_is_and_which(
    command: bytes, is_reply: bool
) -> None:
    sender, receiver = Mailbox(), Mailbox()
    for each in (encode_value(Add("a", 1)), command):
        sender.post("counter/0", Letter(each, b"tag", is_reply=is_reply))
    _, letters = sender.letters("counter/0", after=0, count_max=9, bytes_max=999)
    _, second = receiver.take_in(Delivery("bank/3", "counter/0", 1, letters))
    with pytest.raises(Damaged) as stopped:
        counter().apply(Batch(Position(7), 1, [], [second]))
    told = str(stopped.value)
    assert f"{'reply' if is_reply else 'message'} 2 of bank/3 in the record at 7 can't be read" in told
    assert f"it begins with {command[:32]!r}; nothing was skipped: start a program of counter that knows it" in told


def test_saving_and_loading_gives_the_same_state() -> None:
    machine, other = counter(), counter()
    machine.apply(batch(1, Add("b", 2), Add("a", 3), AddLater("a", 1, 50)))
    other.load(machine.save().parts)
    assert other.digest() == machine.digest()
    assert other.apply(batch(60)) == machine.apply(batch(60))


def of_one_answer(
    applied: Applied[object], *, value: object = int, is_on_disk: bool
) -> KeyedMachine[object, Add, str]:
    """A machine that does the same whatever it is asked."""
    table: dict[str, bytes] | None = {} if is_on_disk else None
    return KeyedMachine("counter", commands=Add, value=value, apply=lambda _, __: applied, table=table)


def nested(levels: int) -> list[object]:
    value: list[object] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("is_on_disk", [False, True])
@pytest.mark.parametrize(
    ("written", "value", "told"),
    [
        (
            {"a": 0.5},
            int,
            r"counter/0 wrote to 'a' can't be kept and read again as int \(Expected `int`, got `float`",
        ),
        ({"a": 2**64}, int, "int"),
        ({"a": object()}, object, "Encoding objects of type object is unsupported"),
        ({"a": nested(100_000)}, object, "recursion"),
        ({5: 1}, int, "wrote to 5 can't be kept"),
        ({"\ud800": 1}, int, "surrogates not allowed"),
    ],
    ids=["wrong_type", "too_large", "no_message", "too_deep", "no_text_key", "no_unicode_key"],
)
def test_a_write_that_a_restart_could_not_read_stops_the_machine_and_names_its_key(
    written: dict[str, object], value: object, told: str, is_on_disk: bool
) -> None:
    with pytest.raises(Bug, match=told):
        of_one_answer(Applied("done", written), value=value, is_on_disk=is_on_disk).apply(batch(1, Add("a", 1)))


@pytest.mark.parametrize("effect", [At(0.5, Add("a", 1)), At(2**64, Add("a", 1)), Publish("paid", 5)])  # type: ignore[arg-type]
def test_a_timer_or_an_event_that_a_restart_could_not_read_stops_the_machine(effect: At | Publish) -> None:
    machine = of_one_answer(Applied("done", effects=[effect]), is_on_disk=False)
    with pytest.raises((msgspec.ValidationError, OverflowError)):
        machine.apply(batch(1, Add("a", 1)))


@pytest.mark.parametrize("is_on_disk", [False, True])
def test_a_value_is_at_once_what_it_would_be_after_a_restart(is_on_disk: bool) -> None:
    machine = of_one_answer(Applied("done", {"a": (1, 2)}), value=object, is_on_disk=is_on_disk)
    again = of_one_answer(Applied("done"), value=object, is_on_disk=is_on_disk)
    machine.apply(batch(1, Add("a", 1)))
    again.load(machine.save().parts)
    assert machine._state["a"] == again._state["a"] == [1, 2]


def test_a_saved_value_of_another_type_is_named_by_its_key() -> None:
    saved = of_one_answer(Applied("done", {"a": "much"}), value=str, is_on_disk=False)
    saved.apply(batch(1, Add("a", 1)))
    with pytest.raises(Damaged, match=r"the value of 'a' can't be read as int \(Expected `int`, got `str`\)"):
        counter().load(saved.save().parts)


def record(kind: Kind, partition: Partition, *requests: Request, term: int = 1) -> bytes:
    payload, _ = encode_record(Record(kind, 1, term, 10, partition.head, bytes(16), requests))
    return payload


def feed(partition: Partition, payload: bytes) -> list[object] | None:
    stored = decode_record(Position(partition.read_through + 1), payload, machine_version_max=1)
    if not partition.admit(stored):
        return None
    return [reply and msgspec.msgpack.decode(reply) for reply in partition.apply(stored)]


def of_version(version: int) -> Partition:
    """A counter that counts double since version 2."""

    def count(state: Mapping[str, int], entry: Entry[Add]) -> Applied[int]:
        total = state.get(entry.command.key, 0) + entry.command.amount * min(entry.version, 2)
        return Applied(total, {entry.command.key: total})

    return Partition(KeyedMachine("counter", commands=Add, value=int, apply=count, version=version))


def test_an_entry_has_the_version_of_the_program_that_wrote_it() -> None:
    partition = of_version(2)
    for version, total in ((1, 5), (2, 15), (1, 20)):
        payload, _ = encode_record(
            Record(
                Kind.BATCH, version, 0, 10, partition.head, bytes(16), [Request(bytes(16), encode_value(Add("a", 5)))]
            )
        )
        stored = decode_record(Position(partition.read_through + 1), payload, machine_version_max=2)
        assert partition.admit(stored)
        assert partition.apply(stored) == [encode_value(total)]
    saved = partition.save().parts
    of_version(3).load(saved)
    with pytest.raises(
        Damaged, match="it holds records of machine version 2, and this program knows versions up to 1"
    ):
        of_version(1).load(saved)


def test_a_repeated_request_gets_the_first_answer_and_takes_effect_once() -> None:
    partition = Partition(counter())
    request = Request(b"r" * 16, encode_value(Add("a", 5)))
    feed(partition, record(Kind.TERM, partition))
    assert feed(partition, record(Kind.BATCH, partition, request, request)) == [5, 5]
    assert feed(partition, record(Kind.BATCH, partition, request)) == [5]
    other = Request(request.id, encode_value(Add("a", 6)))
    assert feed(partition, record(Kind.BATCH, partition, request, other)) == [5, None]


def test_a_repeated_or_deposed_record_is_skipped() -> None:
    partition = Partition(counter())
    feed(partition, record(Kind.TERM, partition))
    once = record(Kind.BATCH, partition, Request(b"r" * 16, encode_value(Add("a", 5))))
    assert feed(partition, once) == [5]
    assert feed(partition, once) is None


def test_a_damaged_record_stops_the_partition_with_its_place() -> None:
    partition = Partition(counter())
    payload = bytearray(record(Kind.TERM, partition))
    payload[40] ^= 1
    with pytest.raises(Damaged, match="record at position 1 is damaged"):
        feed(partition, bytes(payload))


def test_a_snapshot_continues_as_the_original_does() -> None:
    partition, restored = Partition(counter()), Partition(counter())
    feed(partition, record(Kind.TERM, partition))
    request = Request(b"r" * 16, encode_value(Add("a", 5)))
    feed(partition, record(Kind.BATCH, partition, request))
    restored.load(partition.save().parts)
    assert restored.digest() == partition.digest()
    assert feed(restored, record(Kind.BATCH, restored, request)) == [5]


class Sum(msgspec.Struct, frozen=True, tag=True):
    of: tuple[str, ...] = ()


@pytest.mark.parametrize("is_on_disk", [False, True])
def test_a_guarded_answer_tells_what_holds_something_of_the_values_it_rests_on(is_on_disk: bool) -> None:
    def answer(state: Mapping[str, int], query: Sum) -> int:
        return sum(state.get(key, 0) for key in query.of) if query.of else sum(state.values())

    machine: KeyedMachine[int, Add | AddLater, Sum] = KeyedMachine(
        "counter",
        commands=Add | AddLater,
        value=int,
        apply=apply,
        queries=Sum,
        answer=answer,
        held_by=lambda total: [f"t{total}"] if total > 1 else [],
        table={} if is_on_disk else None,
    )
    machine.apply(batch(1, Add("a", 1), Add("b", 2), Add("c", 3)))

    def told(query: object) -> tuple[object, list[str]]:
        guarded = msgspec.msgpack.decode(machine.read(GUARDED + encode_value(query)), type=Guarded)
        assert guarded.answer == machine.read(encode_value(query))
        return msgspec.msgpack.decode(guarded.answer), guarded.held

    assert told("a") == (1, [])
    assert told("b") == (2, ["t2"])
    assert told("nothing") == (None, [])
    assert told(Sum(("a", "c", "nothing"))) == (4, ["t3"])
    assert told(Sum()) == (6, ["t2", "t3"])


def test_a_machine_without_holds_can_not_be_asked_for_them() -> None:
    with pytest.raises(Rejected, match="answers no query but a key"):
        counter().read(GUARDED + encode_value("a"))


@pytest.mark.parametrize("is_on_disk", [False, True])
def test_a_state_that_is_changed_past_what_is_written_stops_the_machine(is_on_disk: bool) -> None:
    def changed(state: Mapping[str, int], _: Entry[Add]) -> Applied[int]:
        state["a"] = 17  # type: ignore[index]
        return Applied(None)

    machine = KeyedMachine[int, Add, str](
        "sold", commands=Add, value=int, apply=changed, table={} if is_on_disk else None
    )
    with pytest.raises(Bug, match="changes its state past `writes`"):
        machine.apply(batch(1, Add("a", 1)))
    assert machine.read(encode_value("a")) == encode_value(None)
