"""ACH files of five banks for each other's customers, sent again and again, and returns of what they hold.

Some files have batches of two banks: both take theirs in, or neither does if one of them does not know the company.
Some windows are run by hand while everything fails, the last by the schedule when nothing does. At rest every entry
has ended, and every window has closed in all shards with net positions that sum to nothing over them.

Checked by: tests/proving/test_town.py, tests/canaries/test_payments_banks.py
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from random import Random
from typing import Final, NamedTuple

from ropewalk.core.codec import checksum
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
    distinct,
)
from ropewalk.systems.payments.ach.building import BatchBuilder, build, header, returned
from ropewalk.systems.payments.ach.codes import return_code_of
from ropewalk.systems.payments.ach.reading import read, write
from ropewalk.systems.payments.ach.samples import OPERATOR
from ropewalk.systems.payments.machine import PaymentsMachine
from ropewalk.systems.payments.processing import messages
from ropewalk.systems.payments.processing.house import HOUSE
from ropewalk.systems.payments.processing.messages import (
    ACH,
    FileAccepted,
    FileUndecided,
    SubmitFile,
    encode_command,
    encode_query,
)
from ropewalk.systems.payments.processing.schedule import settlement_time
from ropewalk.systems.payments.processing.views import EntryView, FileView, WindowView
from ropewalk.systems.payments.processing.windows import TRACE_NUMBERS

FILES: Final = 10
ENTRIES_MAX: Final = 4
_REFUSED: Final = 3
"""A file of which the second bank does not know the company."""

_COMPANY: Final = "1990000001"
_NOBODY: Final = "9"
_NOBODY_S: Final = "1990000009"
"""A company that no bank knows."""
_CODES: Final = (22, 27)
"""A credit and a debit of a checking account."""
_CENTS_MAX: Final = 20
_DUE_NS: Final = settlement_time(date(2023, 11, 15))
"""When what is sent now is due: on the next day, since the last window of this one has passed."""


class Files:
    """The trade."""

    byte = ACH

    def __init__(self) -> None:
        self._files: list[FileView] = []

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
            self._files += files
            for file in files:
                entries = ask(machine, encode_query(messages.ListEntries(file.file)), type=list[EntryView])
                yield from (moved for entry in entries for moved in _moved(shard, entry))

    def check_told(self, told: Sequence[Told]) -> None:
        """A file is taken once, whole, and under one number in each shard that keeps some of it; or not at all."""
        for command, replies in distinct(told).items():
            asked = messages.decode_command(command)
            if isinstance(asked, SubmitFile):
                self._check_file(asked.content, [messages.decode_reply(reply) for reply in replies])

    def _check_file(self, content: bytes, replies: Sequence[messages.AnyReply]) -> None:
        kept = [file for file in self._files if file.checksum == checksum(content).hex()]
        if _NOBODY_S.encode() in content:
            may_be = all(isinstance(reply, FileUndecided) for reply in replies)
            invariant(may_be and not kept, "nobody takes a file that one objects to", kept=kept, replies=replies)
            return
        accepted = [reply for reply in replies if isinstance(reply, FileAccepted)]
        is_good = all(isinstance(reply, FileAccepted | FileUndecided) for reply in replies)
        invariant(is_good, "a good file is taken", replies=replies)
        shards = [file.file % len(SHARDS) for file in kept]
        invariant(len({*shards}) == len(shards), "a file is taken once", kept=kept)
        reading = read(content)
        for reply in accepted:
            told = (reply.entries, reply.debit_cents, reply.credit_cents)
            invariant(told == (reading.entries, reading.debit_cents, reading.credit_cents), "a file is told whole")
            numbers = {reply.file, *reply.parts}
            invariant(numbers == {file.file for file in kept}, "a file has the numbers that were told", kept=kept)
        invariant(
            sum(file.entries for file in kept) == reading.entries, "a file is taken whole", kept=kept, replies=replies
        )


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
        waiting = (state.sent, state.divided.asked, state.divided.held)
        invariant(not any(waiting), "every question is answered at rest", waiting=waiting)
    house = machines[HOUSE].processing.state.house
    invariant(house.course is None and not house.waiting, "no window is open at rest", house=house)


class _Line(NamedTuple):
    """An entry of a file: of the bank of one shard, the `sequence`-th of its batch, for a customer of another's."""

    sender: int
    sequence: int
    shard: int
    account: str
    code: int
    cents: int


def _lines(number: int) -> list[_Line]:
    """The entries of a file, the first batch first."""
    random, home = Random(number), number % len(SHARDS)
    other = any_bank(random)
    more = [random.choice((home, other)) for _ in range(random.randrange(ENTRIES_MAX))]
    senders = [home, *sorted(more, key=lambda sender: sender != home)]
    return [
        _Line(
            sender,
            senders[:place].count(sender),
            any_bank(random),
            random.choice((*NUMBERS * 3, _NOBODY)),
            random.choice(_CODES),
            random.randint(1, _CENTS_MAX),
        )
        for place, sender in enumerate(senders)
    ]


def _file(number: int) -> bytes:
    batches: list[BatchBuilder] = []
    for line in _lines(number):
        if line.sequence == 0:
            company = _NOBODY_S if number == _REFUSED and batches else _COMPANY
            batches.append(_batch(line.sender, first_sequence=number * ENTRIES_MAX, company=company))
        batches[-1].add(
            transaction_code=line.code, routing_number=BANKS[line.shard], account=line.account,
            amount_cents=line.cents, individual_name="A PERSON",
        )  # fmt: skip
    return _sent(batches, number % len(SHARDS), minute=number)


def _return(number: int, row: int) -> ToShard:
    """A file of the receiver's bank that sends an entry back."""
    line = _lines(number)[row]
    sequence = number * ENTRIES_MAX
    batch = _batch(line.shard, first_sequence=sequence + row)
    trace = int(BANKS[line.sender][:8]) * TRACE_NUMBERS + sequence + line.sequence
    batch.add(
        transaction_code=return_code_of(line.code), routing_number=BANKS[line.sender], account=line.account,
        amount_cents=line.cents, individual_name="A PERSON",
        addenda=[returned("R01", trace=trace, rdfi=int(BANKS[line.shard][:8]))],
    )  # fmt: skip
    return line.shard, encode_command(SubmitFile(_sent([batch], line.shard, minute=FILES + sequence + row)))


def _batch(shard: int, *, first_sequence: int, company: str = _COMPANY) -> BatchBuilder:
    return BatchBuilder(
        "PPD",
        odfi=BANKS[shard][:8],
        first_sequence=first_sequence,
        company_name="ROPE WORKS",
        company_identification=company,
        company_entry_description="PAYROLL",
        effective_entry_date="231115",
    )


def _sent(batches: Sequence[BatchBuilder], shard: int, *, minute: int) -> bytes:
    """A file that is named by the minute in which it was made."""
    head = header(
        destination=OPERATOR.routing_number,
        origin=BANKS[shard],
        creation_date="231114",
        creation_time=f"{minute // 60:02}{minute % 60:02}",
    )
    return write(build(head, batches))
