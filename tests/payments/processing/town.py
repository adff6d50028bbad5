"""A small town to try ACH in: a machine, a clock, some banks and people; files are built from lines of text.

Not a test. Time stands still unless `at` moves it; `run` gives the machine the batches that it asks for.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from ropewalk.core.chain import Position
from ropewalk.core.machine import NO_ID, Batch, Request
from ropewalk.data.shelf import Shelf
from ropewalk.engines.memory import MemoryShelf
from ropewalk.systems.payments.ach.building import BatchBuilder, build, header
from ropewalk.systems.payments.ach.columns import check_digit
from ropewalk.systems.payments.ach.reading import write
from ropewalk.systems.payments.ledger.commands import Operation, encode
from ropewalk.systems.payments.ledger.layout import TRANSFER, rows_of
from ropewalk.systems.payments.machine import PaymentsMachine
from ropewalk.systems.payments.processing.books import USD, Holder, account_id
from ropewalk.systems.payments.processing.limits import USUAL_STEPS, Steps
from ropewalk.systems.payments.processing.messages import (
    AnyCommand,
    AnyQuery,
    AnyReply,
    decode_reply,
    encode_command,
    encode_query,
)

ZONE = ZoneInfo("America/New_York")
STEPS_MAX = 2_000


def routing(first_eight: str) -> str:
    """A routing number with its check digit."""
    return first_eight + str(check_digit(first_eight))


OPERATOR = routing("99000001")
HARBOR, MEADOW, CAPSTAN = (routing(eight) for eight in ("99100012", "99200023", "99300034"))


def unneeded(shelf: Shelf, machine: PaymentsMachine) -> list[str]:
    """What lies on a shelf and a snapshot of the machine does not need."""
    return sorted({*shelf.names()} - {*machine.save().blobs})


def sweep(shelf: Shelf, names: Sequence[str]) -> None:
    """Remove what a snapshot did not need when it was begun, as checkpoints do when it has been written."""
    for name in names:
        shelf.remove(name)


@contextmanager
def snapshot(shelf: Shelf, machine: PaymentsMachine) -> Iterator[None]:
    """A snapshot that is written while the block runs."""
    names = unneeded(shelf, machine)
    yield
    sweep(shelf, names)


class Town:
    """One machine and its clock."""

    def __init__(self, *, steps: Steps = USUAL_STEPS) -> None:
        self.shelf = MemoryShelf()
        self.machine = PaymentsMachine(self.shelf, steps=steps)
        self.time_ns = 0
        self.position = 0
        self.wakes_at_ns: int | None = None
        self.batches: list[Batch] = []
        self._transfers = 0
        self.at("2026-11-24 09:00")

    def at(self, moment: str) -> None:
        """Let time pass until New York's clocks show that, doing what is due on the way."""
        until_ns = int(datetime.fromisoformat(moment).replace(tzinfo=ZONE).timestamp()) * 1_000_000_000
        for _ in range(STEPS_MAX):
            if self.wakes_at_ns is None or self.wakes_at_ns > until_ns:
                self.time_ns = until_ns
                return
            self.time_ns = max(self.time_ns, self.wakes_at_ns)
            self.batch([])
        raise AssertionError("work never ends")

    def settle(self) -> None:
        """Do all that is due now."""
        for _ in range(STEPS_MAX):
            if self.wakes_at_ns is None or self.wakes_at_ns > self.time_ns:
                return
            self.batch([])
        raise AssertionError("work never ends")

    def batch(self, commands: Sequence[bytes], *, request_id: bytes = NO_ID) -> list[bytes]:
        """One record of the log."""
        for command in commands:
            self.machine.vet(command)
        self.position += 1
        requests = [Request(request_id, command) for command in commands]
        batch = Batch(Position(self.position), self.time_ns, requests)
        self.batches.append(batch)
        outcome = self.machine.apply(batch)
        self.machine.check()
        self.wakes_at_ns = outcome.wakes_at_ns
        return list(outcome.replies)

    def do(self, command: AnyCommand) -> AnyReply:
        """One command, and what becomes of it."""
        return decode_reply(self.batch([encode_command(command)])[0])

    def ask(self, query: AnyQuery) -> bytes:
        """The bytes that answer a query."""
        return self.machine.read(encode_query(query))

    def transfer(self, *, debit: int, credit: int, cents: int, flags: int = 0) -> int:
        """A plain transfer between two accounts of the ledger; return its status."""
        self._transfers += 1
        rows = rows_of(
            TRANSFER,
            [
                {
                    "id": self._transfers,
                    "debit_account_id": debit,
                    "credit_account_id": credit,
                    "amount": cents,
                    "ledger": USD,
                    "code": 1,
                    "flags": flags,
                }
            ],
        )
        reply = self.batch([encode(Operation.CREATE_TRANSFERS, rows)])[0]
        return int(np.frombuffer(reply, "<u4", count=1, offset=8)[0])

    def fund(self, slot: int, cents: int) -> None:
        """Pay cash in: from the settlement account of institution 0."""
        status = self.transfer(
            debit=account_id(Holder.SETTLEMENT, 0), credit=account_id(Holder.DEPOSIT, slot), cents=cents
        )
        assert status == 0xFFFFFFFF, status


def batch_of(
    entry_class: str, *, odfi: str = HARBOR, company: str = "1990000001", description: str = "PAYROLL",
    effective: str = "261125", name: str = "ROPE WORKS INC", first_sequence: int = 1,
) -> BatchBuilder:  # fmt: skip
    """The beginning of a batch."""
    return BatchBuilder(
        entry_class,
        odfi=odfi[:8],
        first_sequence=first_sequence,
        company_name=name,
        company_identification=company,
        company_entry_description=description,
        effective_entry_date=effective,
    )


def file_of(*batches: BatchBuilder, modifier: str = "A", origin: str = HARBOR, created: str = "261124") -> bytes:
    """A file of these batches."""
    head = header(
        destination=OPERATOR, origin=origin, creation_date=created, creation_time="0900", file_id_modifier=modifier
    )
    return write(build(head, batches))
