"""The same records give the same digest in any process, though each hash seed orders sets in its own way."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest

from ropewalk import Applied, At, Entry, Service
from ropewalk.core.chain import Head, Position
from ropewalk.core.codec import Kind, Record, checksum, decode_record, encode_record, encode_value
from ropewalk.core.keyed import KeyedMachine
from ropewalk.core.machine import Request
from ropewalk.core.mailbox import Delivery, Letter, Note, Opening, Receipt
from ropewalk.core.partition import Partition
from ropewalk.engines.memory import MemoryShelf
from ropewalk.proving.workloads.branches import ACCOUNTS, PLACES, Branches, Bring
from ropewalk.systems.payments.ledger.layout import ACCOUNT, TRANSFER, TransferFlags, rows_of
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.processing.messages import (
    FileAccepted,
    GetReturnFile,
    NewAccount,
    OpenAccounts,
    OpenInstitution,
    OpenOriginator,
    SubmitFile,
)
from tests.payments.processing.town import HARBOR, MEADOW, Town, batch_of, file_of

ROOT = Path(__file__).parents[1]
HASH_SEEDS = ("1", "2", "3")


class Tag(msgspec.Struct, frozen=True, tag=True):
    key: str
    tags: frozenset[str]
    again_at_ns: int | None = None


class Tags(msgspec.Struct, frozen=True):
    given: frozenset[str]
    counts: dict[str, int]


def key_of(command: Tag) -> str:
    return command.key


def apply(state: Mapping[str, Tags], entry: Entry[Tag]) -> Applied[Tags]:
    command = entry.command
    before = state.get(command.key, Tags(frozenset(), {}))
    counts = before.counts | {tag: before.counts.get(tag, 0) + 1 for tag in command.tags}
    effects = [At(command.again_at_ns, Tag(command.key, command.tags))] if command.again_at_ns else []
    return Applied(counts, {command.key: Tags(before.given | command.tags, counts)}, effects)


def keyed_machine() -> bytes:
    """A state full of sets, and maps filled in a set's order, with timers and repeated requests."""
    partition = Partition(KeyedMachine("tags", commands=Tag, value=Tags, apply=apply))
    records = [(Kind.TERM, ())] + [(Kind.BATCH, requests(number)) for number in range(20)]
    for number, (kind, batch) in enumerate(records, start=1):
        payload, _ = encode_record(Record(kind, 1, 1, number * 10, partition.head, b"w" * 16, batch))
        stored = decode_record(Position(number), payload, machine_version_max=1)
        assert partition.admit(stored)
        partition.apply(stored)
    assert partition.head != Head()
    return partition.digest()


def requests(number: int) -> list[Request]:
    tags = frozenset(f"tag {number * each % 7}" for each in range(5))
    command = Tag(f"key {number % 3}", tags, again_at_ns=number * 15 if number % 2 else None)
    return [Request(bytes([number // 2] * 16), encode_value(command)), Request(bytes(16), encode_value(command))]


def branch() -> bytes:
    """A branch that takes in payments from everywhere, some twice, answers, passes on, refunds and publishes."""
    partition = Partition(Branches().machine(MemoryShelf(), PLACES[0]))
    senders = [place.log_name for place in PLACES]
    opening = [request for _, request in Branches().opening()]
    records: list[tuple[Kind, list[Request], list[Note]]] = [
        (Kind.TERM, [], [Opening(len(PLACES))]),
        (Kind.BATCH, opening, []),
        *[(Kind.BATCH, [], deliveries(sender, number)) for number in range(20) for sender in senders],
        (Kind.BATCH, [], [Receipt(sender, 3) for sender in senders]),
    ]
    for number, (kind, requests, notes) in enumerate(records, start=1):
        record = Record(kind, 1, 1, number * 10, partition.head, b"w" * 16, requests, notes)
        stored = decode_record(Position(number), encode_record(record)[0], machine_version_max=1)
        assert partition.admit(stored)
        partition.apply(stored)
    assert partition.feed.last > 10
    assert partition.mailbox.waiting > 10
    return partition.digest()


def deliveries(sender: str, number: int) -> list[Note]:
    """One letter, and again the one before it: money for an account here, or on its way over one."""
    letters = [
        Letter(
            encode_value(Bring(ACCOUNTS[0], ACCOUNTS[each % 7], each % 5, ACCOUNTS[each % 3] * (each % 2))), b"tag"
        )
        for each in (max(0, number - 1), number)
    ]
    return [Delivery(sender, PLACES[0].log_name, max(1, number), letters[number == 0 :])]


def routing() -> bytes:
    service = Service.keyed("tags", commands=Tag, value=Tags, apply=apply, key=key_of, partitions=64)
    return bytes(service.partition_of(f"key {number}") for number in range(100))


def ledger() -> bytes:
    """A ledger whose transfers are partly sealed, with pending ones that expire: its state and its blobs."""
    shelf = MemoryShelf()
    subject = Ledger(shelf, segment_rows=256, piece_entries=64)
    kind = {"ledger": 1, "code": 1}
    subject.create_accounts(rows_of(ACCOUNT, [{"id": id_, **kind} for id_ in range(1, 50)]), time_ns=1)
    for batch in range(20):
        rows = [
            {
                "id": 1_000 * batch + each,
                "debit_account_id": 1 + each % 49,
                "credit_account_id": 1 + each * 7 % 49,
                "amount": each,
                "flags": TransferFlags.PENDING if each % 5 == 0 else 0,
                "timeout": each % 3 if each % 5 == 0 else 0,
                **kind,
            }
            for each in range(1, 100)
        ]
        subject.create_transfers(rows_of(TRANSFER, rows), time_ns=batch * 1_000_000_000 + 10)
        subject.expire(batch * 1_000_000_000 + 10)
    return checksum(subject.digest(), *(shelf.get(name) for name in shelf.names()))


def payments() -> bytes:
    """A payroll from submission to settlement, with an entry that comes back: the state and the file of returns."""
    town = Town()
    for bank in (HARBOR, MEADOW):
        town.do(OpenInstitution(bank, "A BANK"))
    town.do(OpenAccounts([NewAccount(HARBOR, "1000", is_corporate=True), NewAccount(MEADOW, "2001")]))
    town.do(OpenOriginator(HARBOR, "1990000001", "ROPE WORKS INC", "1000"))
    town.fund(0, 1_000_00)
    payroll = batch_of("PPD")
    for account in ("2001", "2009"):
        payroll.add(
            transaction_code=22, routing_number=MEADOW, account=account, amount_cents=100_00, individual_name="ADA"
        )
    assert isinstance(town.do(SubmitFile(file_of(payroll))), FileAccepted)
    town.at("2026-11-25 20:00")
    town.settle()
    return checksum(town.machine.digest(), town.ask(GetReturnFile(0, HARBOR)))


PROGRAMS: dict[str, Callable[[], bytes]] = {
    "keyed machine": keyed_machine,
    "branch": branch,
    "routing": routing,
    "ledger": ledger,
    "payments": payments,
}


@pytest.fixture(scope="module")
def results() -> list[dict[str, str]]:
    """What every program gave, under each hash seed."""
    program = (
        "import json; from tests.test_determinism import PROGRAMS\n"
        "print(json.dumps({name: run().hex() for name, run in PROGRAMS.items()}))"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        for seed in HASH_SEEDS
    ]
    return [msgspec.json.decode(output, type=dict[str, str]) for output in outputs]


@pytest.mark.parametrize("program", PROGRAMS)
def test_another_hash_seed_gives_the_same_bytes(program: str, results: list[dict[str, str]]) -> None:
    assert len({result[program] for result in results}) == 1


def test_the_hash_seeds_do_order_sets_otherwise() -> None:
    program = "print([*{'a', 'b', 'c', 'd', 'e'}])"
    orders = {
        subprocess.check_output([sys.executable, "-c", program], env=os.environ | {"PYTHONHASHSEED": seed})
        for seed in HASH_SEEDS
    }
    assert len(orders) > 1
