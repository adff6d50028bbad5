"""Payments whole under faults: ACH files come and come again, accounts are closed, windows run, money moves beside.

No second implementation judges this one. What does are the machine's own books after every record (each entry in one
state, each cent accounted for, clearing empty between windows), replicas that must agree, and clients who must find
in the log what they were told.

Checked by: tests/proving/test_world.py
"""

from collections.abc import Sequence
from random import Random
from typing import Final

from ropewalk.core.machine import NO_ID, Machine, Request
from ropewalk.core.place import Place
from ropewalk.data.shelf import Shelf
from ropewalk.systems.payments.ach.building import BatchBuilder, build, header
from ropewalk.systems.payments.ach.reading import write
from ropewalk.systems.payments.ach.samples import CORDAGE, HARBOR, OPERATOR
from ropewalk.systems.payments.ledger.commands import Operation, encode
from ropewalk.systems.payments.ledger.layout import TRANSFER, rows_of
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.machine import PaymentsMachine
from ropewalk.systems.payments.processing import messages
from ropewalk.systems.payments.processing.books import USD, Holder, account_id
from ropewalk.systems.payments.processing.limits import Steps

_BANKS: Final = (HARBOR.routing_number, CORDAGE.routing_number)
_NUMBERS: Final = ("1", "2", "3")
_ORIGINATOR: Final = "1990000001"
_FUNDS_CENTS: Final = 80
_RESTRICTIONS: Final = ("none", "none", "closed", "frozen")
_IDS_MAX: Final = 100
_STEPS: Final = Steps(entries=3, answers=2)


class Settlement:
    """The workload."""

    name = "settlement"

    def machine(self, shelf: Shelf, _: Place) -> Machine:
        ledger = Ledger(shelf, segment_rows=64, piece_entries=16)
        return PaymentsMachine(shelf, steps=_STEPS, ledger=ledger)

    def opening(self) -> Sequence[Request]:
        commands: list[messages.AnyCommand] = []
        for bank in _BANKS:
            commands.append(messages.OpenInstitution(bank, bank))
            commands.append(messages.OpenAccounts([messages.NewAccount(bank, number) for number in _NUMBERS]))
            commands.append(messages.OpenOriginator(bank, _ORIGINATOR, "ROPE WORKS", "1"))
        deposits = [
            _transfer(_IDS_MAX + slot + 1, account_id(Holder.SETTLEMENT, 0), slot, cents=_FUNDS_CENTS)
            for slot in range(len(_BANKS) * len(_NUMBERS))
        ]
        return [
            *map(_request, commands),
            Request(NO_ID, encode(Operation.CREATE_TRANSFERS, rows_of(TRANSFER, deposits))),
        ]

    def request(self, random: Random) -> Request:
        match random.randrange(8):
            case 0 | 1:
                return _request(messages.SubmitFile(_file(random)))
            case 2 | 3:
                return Request(random.randbytes(16), messages.encode_command(messages.RunWindow()))
            case 4:
                bank, number = random.choice(_BANKS), random.choice(_NUMBERS)
                return _request(messages.RestrictAccount(bank, number, random.choice(_RESTRICTIONS)))
            case _:
                return _plain_transfer(random)

    def query(self, random: Random) -> bytes:
        query: messages.AnyQuery = messages.GetAccount(random.choice(_BANKS), random.choice(_NUMBERS))
        if random.random() < 0.5:
            query = messages.GetTrialBalance()
        return messages.encode_query(query)

    def judge(self) -> None:
        return None


def _request(command: messages.AnyCommand) -> Request:
    return Request(NO_ID, messages.encode_command(command))


def _transfer(number: int, debit: int, slot: int, *, cents: int) -> dict[str, int]:
    return {
        "id": number,
        "debit_account_id": debit,
        "credit_account_id": account_id(Holder.DEPOSIT, slot),
        "amount": cents,
        "ledger": USD,
        "code": 1,
    }


def _plain_transfer(random: Random) -> Request:
    source, target = random.sample(range(len(_BANKS) * len(_NUMBERS)), 2)
    row = _transfer(
        random.randint(1, _IDS_MAX), account_id(Holder.DEPOSIT, source), target, cents=random.randint(1, 40)
    )
    return Request(random.randbytes(16), encode(Operation.CREATE_TRANSFERS, rows_of(TRANSFER, [row])))


def _file(random: Random) -> bytes:
    """A file of a few entries; of the few minutes in which files are made, some are met twice, with other bytes."""
    bank = random.choice(_BANKS)
    minute = random.randrange(60)
    batch = BatchBuilder(
        "PPD",
        odfi=bank[:8],
        first_sequence=minute * 100 + 1,
        company_name="ROPE WORKS",
        company_identification=_ORIGINATOR,
        company_entry_description=random.choice(("PAYROLL", "PAYROLL", "REVERSAL")),
        effective_entry_date="231115",
    )
    for _ in range(random.randint(1, 5)):
        batch.add(
            transaction_code=random.choice((22, 27)),
            routing_number=random.choice(_BANKS),
            account=random.choice((*_NUMBERS, "4")),
            amount_cents=random.randint(1, 60),
            individual_name="A PERSON",
        )
    head = header(
        destination=OPERATOR.routing_number, origin=bank, creation_date="231114", creation_time=f"09{minute:02}"
    )
    return write(build(head, [batch]))
