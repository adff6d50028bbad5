"""ACH files of five banks for each other's customers, sent again and again, and returns of what they hold.

Some windows are run by hand while everything fails, the last by the schedule when nothing does. At rest every entry
has ended, and every window has closed in all shards with net positions that sum to nothing over them.

Checked by: tests/proving/test_town.py, tests/canaries/test_payments_banks.py
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from random import Random
from typing import Final, NamedTuple, cast

import msgspec

from ropewalk.errors import invariant
from ropewalk.proving.workloads.banks import (
    BANKS,
    NUMBERS,
    SHARDS,
    SOME_CUSTOMER,
    Moved,
    Told,
    ToShard,
    any_bank,
    ask,
)
from ropewalk.systems.payments.ach.building import BatchBuilder, build, header, returned
from ropewalk.systems.payments.ach.codes import return_code_of
from ropewalk.systems.payments.ach.reading import write
from ropewalk.systems.payments.ach.samples import OPERATOR
from ropewalk.systems.payments.machine import PaymentsMachine
from ropewalk.systems.payments.processing import messages
from ropewalk.systems.payments.processing.house import HOUSE
from ropewalk.systems.payments.processing.messages import ACH, FileAccepted, SubmitFile, encode_command, encode_query
from ropewalk.systems.payments.processing.schedule import settlement_time
from ropewalk.systems.payments.processing.views import EntryView, FileView, WindowView
from ropewalk.systems.payments.processing.windows import TRACE_NUMBERS

FILES: Final = 10
ENTRIES_MAX: Final = 4

_COMPANY: Final = "1990000001"
_NOBODY: Final = "9"
_CODES: Final = (22, 27)
"""A credit and a debit of a checking account."""
_CENTS_MAX: Final = 20
_DUE_NS: Final = settlement_time(date(2023, 11, 15))
"""When what is sent now is due: on the next day, since the last window of this one has passed."""


class Files:
    """The trade."""

    byte = ACH

    def __init__(self) -> None:
        self._files: dict[int, FileView] = {}

    def opening(self) -> Iterable[ToShard]:
        """A company in each bank."""
        for shard in SHARDS:
            yield shard, encode_command(messages.OpenOriginator(BANKS[shard], _COMPANY, "ROPE WORKS", NUMBERS[0]))

    def request(self, random: Random) -> ToShard:
        """What a client asks next."""
        number = random.randrange(FILES)
        match random.randrange(12):
            case 0:
                return HOUSE, encode_command(messages.RunWindow(_DUE_NS))
            case 1 | 2 | 3:
                return _return(number, random.randrange(len(_lines(number))))
            case _:
                return number % len(SHARDS), encode_command(SubmitFile(_file(number)))

    def query(self, random: Random) -> ToShard:
        """What a reader asks next."""
        query = random.choice((messages.ListFiles(), messages.ListWindows(), messages.GetTrialBalance()))
        return any_bank(random), encode_query(query)

    def moved(self, machines: Sequence[PaymentsMachine]) -> Iterator[Moved]:
        """What entries have moved, between banks."""
        _check_windows(machines)
        for shard, machine in enumerate(machines):
            files = ask(machine, encode_query(messages.ListFiles()), type=list[FileView])
            self._files |= {file.file: file for file in files}
            for file in files:
                entries = ask(machine, encode_query(messages.ListEntries(file.file)), type=list[EntryView])
                yield from (moved for entry in entries for moved in _moved(shard, entry))

    def check_told(self, told: Sequence[Told]) -> None:
        """A file is taken once, whole, and under one number."""
        taken: dict[bytes, list[FileAccepted]] = {}
        for each in told:
            command = messages.decode_command(each.command)
            if isinstance(command, SubmitFile):
                reply = messages.decode_reply(each.reply)
                invariant(isinstance(reply, FileAccepted), "a good file is taken", reply=reply)
                taken.setdefault(command.content, []).append(cast(FileAccepted, reply))
        for replies in taken.values():
            first, *again = sorted(replies, key=lambda reply: reply.repeated)
            same = all(reply == msgspec.structs.replace(first, repeated=True) for reply in again)
            invariant(same, "a file is taken once", replies=replies)
            file = self._files[first.file]
            whole = (file.entries, file.debit_cents, file.credit_cents)
            expected = (first.entries, first.debit_cents, first.credit_cents)
            invariant(whole == expected, "a file is taken whole", file=file, told=first)


def _moved(shard: int, entry: EntryView) -> Iterator[Moved]:
    """What an entry of a shard's file has moved: nothing if it came back, or never went out."""
    has_ended = entry.state in ("posted", "returned", "rejected")
    invariant(has_ended, "every entry has ended at rest", shard=shard, entry=entry)
    if entry.kind == "forward" and entry.state == "posted":
        cents = entry.amount_cents if entry.side == "credit" else -entry.amount_cents
        yield Moved(shard, SOME_CUSTOMER, -cents)
        yield Moved(BANKS.index(entry.rdfi), SOME_CUSTOMER, cents)


def _check_windows(machines: Sequence[PaymentsMachine]) -> None:
    """All shards have closed the same windows, with net positions that sum to nothing, and ask nothing more."""
    listed = [ask(machine, encode_query(messages.ListWindows()), type=list[WindowView]) for machine in machines]
    for windows in zip(*listed, strict=True):
        through = {(window.window, window.through_ns) for window in windows}
        invariant(len(through) == 1, "a window is the same in all shards", windows=windows)
        invariant(all(window.closed_ns for window in windows), "every window has closed at rest", windows=windows)
        net = sum(position.net_cents for window in windows for position in window.positions)
        invariant(net == 0, "net positions sum to nothing", windows=windows)
    for machine in machines:
        state = machine.processing.state
        invariant(not state.sent, "every question is answered at rest", sent=state.sent)
    house = machines[HOUSE].processing.state.house
    invariant(house.course is None and not house.waiting, "no window is open at rest", house=house)


class _Line(NamedTuple):
    """An entry of a file: for a customer of the bank of a shard."""

    shard: int
    account: str
    code: int
    cents: int


def _lines(number: int) -> list[_Line]:
    random = Random(number)
    return [
        _Line(
            any_bank(random),
            random.choice((*NUMBERS * 3, _NOBODY)),
            random.choice(_CODES),
            random.randint(1, _CENTS_MAX),
        )
        for _ in range(random.randint(1, ENTRIES_MAX))
    ]


def _file(number: int) -> bytes:
    shard = number % len(SHARDS)
    batch = _batch(shard, first_sequence=number * ENTRIES_MAX)
    for shard_of, account, code, cents in _lines(number):
        batch.add(
            transaction_code=code, routing_number=BANKS[shard_of], account=account, amount_cents=cents,
            individual_name="A PERSON",
        )  # fmt: skip
    return _sent(batch, shard, minute=number)


def _return(number: int, row: int) -> ToShard:
    """A file of the receiver's bank that sends an entry back."""
    originator, line = number % len(SHARDS), _lines(number)[row]
    sequence = number * ENTRIES_MAX + row
    batch = _batch(line.shard, first_sequence=sequence)
    trace = int(BANKS[originator][:8]) * TRACE_NUMBERS + sequence
    batch.add(
        transaction_code=return_code_of(line.code), routing_number=BANKS[originator], account=line.account,
        amount_cents=line.cents, individual_name="A PERSON",
        addenda=[returned("R01", trace=trace, rdfi=int(BANKS[line.shard][:8]))],
    )  # fmt: skip
    return line.shard, encode_command(SubmitFile(_sent(batch, line.shard, minute=FILES + sequence)))


def _batch(shard: int, *, first_sequence: int) -> BatchBuilder:
    return BatchBuilder(
        "PPD",
        odfi=BANKS[shard][:8],
        first_sequence=first_sequence,
        company_name="ROPE WORKS",
        company_identification=_COMPANY,
        company_entry_description="PAYROLL",
        effective_entry_date="231115",
    )


def _sent(batch: BatchBuilder, shard: int, *, minute: int) -> bytes:
    """A file that is named by the minute in which it was made."""
    head = header(
        destination=OPERATOR.routing_number,
        origin=BANKS[shard],
        creation_date="231114",
        creation_time=f"{minute // 60:02}{minute % 60:02}",
    )
    return write(build(head, [batch]))
