"""What stands against a payment, in order of precedence: the first that applies is the reason that is given.

    AM03  not in dollars                        AC02  no such debtor account
    AM01  no amount                             AC03  no such creditor account
    AM13  more than the limit                   AC04  either account is closed, or sold
    AGNT  sent by another bank than it names    AC06  either account is frozen
    RC03  no such debtor's bank                 MD07  the holder is deceased
    RC04  no such creditor's bank               AG01  the account takes, or makes, no such payments
    AM04  the money is not there                AM02  the payer may not pay so much at once
                                                AM14  nor so much, or so often, in a day

Of a payment to a bank of another shard, that shard says what stands against it there, when nothing here does.

Checked by: tests/payments/instant/test_stories.py (rejections)
"""

from typing import Final

from ropewalk.systems.payments.instant.record import CURRENCY, Record
from ropewalk.systems.payments.iso20022.model import NO_AGENT, Agent, CreditTransfer
from ropewalk.systems.payments.iso20022.money import Amount
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from ropewalk.systems.payments.processing.directory import Directory, Restriction, is_routing_number

_OF_EITHER: Final = {
    Restriction.CLOSED: "AC04",
    Restriction.SOLD: "AC04",
    Restriction.FROZEN: "AC06",
    Restriction.HOLDER_DECEASED: "MD07",
    Restriction.PAYEE_DECEASED: "MD07",
}
_OF_PAYER: Final = {**_OF_EITHER, Restriction.NON_TRANSACTION: "AG01"}
"""Restrictions that are about debits by others do not concern a payment of the holder's own."""
_OF_PAYEE: Final = {**_OF_EITHER, Restriction.CREDITS_REFUSED: "AG01"}

_OF_LEDGER: Final = {
    TransferStatus.CREATED: "",
    TransferStatus.EXCEEDS_CREDITS: "AM04",
    TransferStatus.ID_ALREADY_FAILED: "AM04",
    TransferStatus.DEBIT_ACCOUNT_ALREADY_CLOSED: "AC04",
    TransferStatus.CREDIT_ACCOUNT_ALREADY_CLOSED: "AC04",
    TransferStatus.DEBIT_ACCOUNT_FROZEN: "AC06",
    TransferStatus.CREDIT_ACCOUNT_FROZEN: "AC06",
    TransferStatus.EXCEEDS_TRANSFER_LIMIT: "AM02",
    TransferStatus.EXCEEDS_WINDOW_LIMIT: "AM14",
    TransferStatus.EXCEEDS_WINDOW_COUNT: "AM14",
}


def against_payment(record: Record, transfer: CreditTransfer, *, debtor: int, creditor: int) -> str:
    """The reason why a payment can't be made, before the ledger is asked; nothing if there is none."""
    directory = record.directory
    return (
        _against_sending(record, transfer)
        or ("" if institution_of(directory, transfer.creditor_agent) >= 0 else "RC04")
        or ("" if debtor >= 0 else "AC02")
        or ("" if creditor >= 0 else "AC03")
        or against_accounts(directory, payer=debtor, payee=creditor)
    )


def against_departure(record: Record, transfer: CreditTransfer, *, debtor: int) -> str:
    """The reason why a payment can't go to another shard, before the ledger is asked; nothing if there is none."""
    return (
        _against_sending(record, transfer)
        or ("" if debtor >= 0 else "AC02")
        or against_payer(record.directory, debtor)
    )


def against_arrival(directory: Directory, transfer: CreditTransfer, *, creditor: int) -> str:
    """The reason why a payment can't come from another shard, before the ledger is asked; nothing if none."""
    return (
        ("" if institution_of(directory, transfer.creditor_agent) >= 0 else "RC04")
        or ("" if creditor >= 0 else "AC03")
        or against_payee(directory, creditor)
    )


def against_amount(amount: Amount, *, limit: int) -> str:
    """The reason why no such amount can be moved; nothing if there is none."""
    if amount.currency != CURRENCY:
        return "AM03"
    if amount.minor == 0:
        return "AM01"
    return "AM13" if amount.minor > limit else ""


def against_accounts(directory: Directory, *, payer: int, payee: int) -> str:
    """The reason why nothing can be moved between two accounts; nothing if there is none."""
    if payer == payee:
        return "AG01"
    return against_payer(directory, payer) or against_payee(directory, payee)


def against_payer(directory: Directory, slot: int) -> str:
    """The reason why an account can't pay; nothing if there is none."""
    return _OF_PAYER.get(Restriction(directory.accounts["restriction"][slot]), "")


def against_payee(directory: Directory, slot: int) -> str:
    """The reason why an account can't be paid; nothing if there is none."""
    return _OF_PAYEE.get(Restriction(directory.accounts["restriction"][slot]), "")


def against_ledger(status: TransferStatus) -> str:
    """The reason for what the ledger said; nothing if the money has moved."""
    return _OF_LEDGER.get(status, "NARR")


def institution_of(directory: Directory, agent: Agent) -> int:
    """The index of a bank, which is known by its routing number, or -1."""
    return directory.find_institution(agent.routing)


def peer_of(record: Record, agent: Agent) -> int:
    """The other shard that a bank is kept in, if there is such a bank; -1 if it is kept here, or nowhere."""
    if institution_of(record.directory, agent) >= 0 or not is_routing_number(agent.routing):
        return -1
    shard = record.place.partition_of(agent.routing)
    return -1 if shard == record.place.partition else shard


def account_of(directory: Directory, agent: Agent, number: str) -> int:
    """The slot of an account at a bank, or -1."""
    institution = institution_of(directory, agent)
    return directory.find_account(institution, number) if institution >= 0 else -1


def is_other_bank(sender: Agent, routing: str) -> bool:
    """Whether a message names a sender, and it is another than the bank with a routing number."""
    return sender != NO_AGENT and sender.routing != routing


def _against_sending(record: Record, transfer: CreditTransfer) -> str:
    """What stands against a payment whoever is to get it."""
    return (
        against_amount(transfer.amount, limit=record.terms.amount_cents_max)
        or _against_sender(transfer.instructing, transfer.debtor_agent)
        or ("" if institution_of(record.directory, transfer.debtor_agent) >= 0 else "RC03")
    )


def _against_sender(instructing: Agent, debtor_agent: Agent) -> str:
    return "AGNT" if is_other_bank(instructing, debtor_agent.routing) else ""
