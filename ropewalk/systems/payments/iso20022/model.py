"""What instant-payment messages say, as typed views: the fields that decide what happens, and those that name it.

What a message may hold beside them (addresses, structured remittance, tax, regulatory reporting) is checked by the
schemas and left where it is: a view does not carry it, so a message that is written from a view has not got it.

Text fields that are absent are empty. Dates and times are as the message has them (ISO 8601).

Checked by: tests/payments/iso20022/test_reading.py, test_writing.py
"""

from collections.abc import Sequence
from typing import Annotated, TypeAlias

import msgspec

from ropewalk.systems.payments.iso20022.fields import UETR
from ropewalk.systems.payments.iso20022.money import Amount

Uetr = Annotated[str, msgspec.Meta(pattern=rf"^{UETR.pattern.pattern}\Z")]
"""A UETR is checked wherever a message comes from, since the ids of the ledger's transfers follow from it."""


class Agent(msgspec.Struct, frozen=True):
    """A bank: by its number in a clearing system (USABA: a routing number), or by its BIC."""

    routing: str = ""
    bic: str = ""
    name: str = ""
    clearing_system: str = ""


NO_AGENT = Agent()


class Party(msgspec.Struct, frozen=True):
    """A debtor or creditor, and its account: a number of its bank's, or an IBAN."""

    name: str = ""
    account: str = ""
    iban: str = ""


class Reason(msgspec.Struct, frozen=True):
    """Why: an external code, or words of the sender's own, and more words."""

    code: str = ""
    proprietary: str = ""
    details: Sequence[str] = ()


class Header(msgspec.Struct, frozen=True):
    """The business application header, head.001.001.02."""

    sender: Agent
    receiver: Agent
    message_id: str
    definition: str
    created: str
    market_practice: str = ""
    registry: str = ""


class Original(msgspec.Struct, frozen=True):
    """The payment that a message is about: its UETR, and what else its message called it."""

    uetr: Uetr
    message_id: str = ""
    definition: str = ""
    created: str = ""
    instruction_id: str = ""
    end_to_end_id: str = ""
    transaction_id: str = ""


class CreditTransfer(msgspec.Struct, frozen=True, tag="pacs.008", kw_only=True):
    """pacs.008.001.08: move an amount from the debtor's account to the creditor's."""

    message_id: str
    created: str
    uetr: Uetr
    end_to_end_id: str
    amount: Amount
    debtor: Party
    debtor_agent: Agent
    creditor: Party
    creditor_agent: Agent
    settlement_method: str = "CLRG"
    clearing_system: str = ""
    settled_on: str = ""
    instruction_id: str = ""
    transaction_id: str = ""
    local_instrument: str = ""
    category_purpose: str = ""
    charge_bearer: str = "SLEV"
    instructing: Agent = NO_AGENT
    instructed: Agent = NO_AGENT
    remittance: Sequence[str] = ()


class StatusReport(msgspec.Struct, frozen=True, tag="pacs.002", kw_only=True):
    """pacs.002.001.10: what became of a payment or a return."""

    message_id: str
    created: str
    original: Original
    status: str
    reasons: Sequence[Reason] = ()
    accepted: str = ""
    instructing: Agent = NO_AGENT
    instructed: Agent = NO_AGENT


class PaymentReturn(msgspec.Struct, frozen=True, tag="pacs.004", kw_only=True):
    """pacs.004.001.10: move an amount of an earlier payment back."""

    message_id: str
    created: str
    original: Original
    amount: Amount
    return_id: str = ""
    settlement_method: str = "CLRG"
    clearing_system: str = ""
    settled_on: str = ""
    charge_bearer: str = ""
    instructing: Agent = NO_AGENT
    instructed: Agent = NO_AGENT
    reasons: Sequence[Reason] = ()


class StatusRequest(msgspec.Struct, frozen=True, tag="pacs.028", kw_only=True):
    """pacs.028.001.03: what has become of a payment?"""

    message_id: str
    created: str
    original: Original
    request_id: str = ""
    instructing: Agent = NO_AGENT
    instructed: Agent = NO_AGENT


class CancellationRequest(msgspec.Struct, frozen=True, tag="camt.056", kw_only=True):
    """camt.056.001.08: please send an earlier payment back."""

    message_id: str
    created: str
    assigner: Agent
    assignee: Agent
    original: Original
    case_id: str = ""
    case_creator: Agent = NO_AGENT
    cancellation_id: str = ""
    amount: Amount | None = None
    settled_on: str = ""
    reasons: Sequence[Reason] = ()


class Resolution(msgspec.Struct, frozen=True, tag="camt.029", kw_only=True):
    """camt.029.001.09: the answer to a cancellation request.

    `confirmation` answers the case (IPAY, RJCR, PDCR), `status` the transaction (ACCR, RJCR, PDCR).
    """

    message_id: str
    created: str
    assigner: Agent
    assignee: Agent
    confirmation: str
    original: Original
    case_id: str = ""
    case_creator: Agent = NO_AGENT
    cancellation_id: str = ""
    status: str = ""
    reasons: Sequence[Reason] = ()


Message: TypeAlias = CreditTransfer | StatusReport | PaymentReturn | StatusRequest | CancellationRequest | Resolution


class Envelope(msgspec.Struct, frozen=True):
    """A message and its business application header; some networks send it without."""

    message: Message
    header: Header | None = None
