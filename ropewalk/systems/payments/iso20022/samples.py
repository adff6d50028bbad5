"""Messages to try instant payments with: made up, the same bytes every time, between the banks of ACH's samples.

Ada of Harbor pays Barbara of Cordage; the other messages are about that payment: it is asked after, recalled, and
part of it is returned. One more payment is to an account that nobody opened.

Checked by: tests/payments/iso20022/test_writing.py
"""

from collections.abc import Callable
from typing import Final

from ropewalk.systems.payments.ach.samples import ACCOUNTS, CORDAGE, HARBOR, OPERATOR
from ropewalk.systems.payments.iso20022.layouts import BY_VIEW
from ropewalk.systems.payments.iso20022.model import (
    Agent,
    CancellationRequest,
    CreditTransfer,
    Envelope,
    Header,
    Message,
    Original,
    Party,
    PaymentReturn,
    Reason,
    StatusRequest,
)
from ropewalk.systems.payments.iso20022.money import Amount
from ropewalk.systems.payments.iso20022.writing import write

UETR: Final = "5f0a7c52-3f0e-4d0c-9c7c-0d4f1f6b2a01"
UETR_TO_NOBODY: Final = "5f0a7c52-3f0e-4d0c-9c7c-0d4f1f6b2a02"

_CREATED: Final = "2026-11-25T10:15:00-05:00"
_DAY: Final = "2026-11-25"
_ABA: Final = "USABA"
_ADA, _BARBARA = (next(each for each in ACCOUNTS if each.name.startswith(name)) for name in ("ADA", "BARBARA"))
_PAYER: Final = Agent(routing=HARBOR.routing_number, clearing_system=_ABA)
_PAYEE: Final = Agent(routing=CORDAGE.routing_number, clearing_system=_ABA)
_ORIGINAL: Final = Original(
    uetr=UETR,
    message_id="20261125HARBOR0001",
    definition="pacs.008.001.08",
    created=_CREATED,
    end_to_end_id="INVOICE-2026-117",
)


def credit_transfer() -> bytes:
    """Ada pays Barbara 51.74."""
    return _sent(_payment(UETR, "20261125HARBOR0001", _BARBARA.number, name=_BARBARA.name))


def credit_transfer_to_nobody() -> bytes:
    """Ada pays an account that nobody opened."""
    return _sent(_payment(UETR_TO_NOBODY, "20261125HARBOR0002", "20000999", name="NO SUCH PERSON"))


def status_request() -> bytes:
    """Harbor asks what has become of the payment."""
    message = StatusRequest(
        message_id="20261125HARBOR0003", created=_CREATED, original=_ORIGINAL, instructing=_PAYER, instructed=_PAYEE
    )
    return _sent(message)


def recall() -> bytes:
    """Harbor asks for the money back: it was paid twice."""
    message = CancellationRequest(
        message_id="20261125HARBOR0004",
        created=_CREATED,
        assigner=_PAYER,
        assignee=_PAYEE,
        original=_ORIGINAL,
        case_id="HARBOR-CASE-1",
        case_creator=_PAYER,
        amount=Amount("USD", 51_74),
        reasons=(Reason("DUPL"),),
    )
    return _sent(message)


def partial_return() -> bytes:
    """Cordage sends 20.00 of it back."""
    message = PaymentReturn(
        message_id="20261125CORDAGE0001",
        created=_CREATED,
        original=_ORIGINAL,
        amount=Amount("USD", 20_00),
        return_id="CORDAGE-RETURN-1",
        clearing_system="FDN",
        settled_on=_DAY,
        charge_bearer="SLEV",
        instructing=_PAYEE,
        instructed=_PAYER,
        reasons=(Reason("CUST"),),
    )
    return _sent(message)


def broken() -> bytes:
    """A payment with three faults: its UETR is none, cents have three digits, and the debtor has no name."""
    good = credit_transfer().replace(UETR.encode(), UETR.upper().encode()).replace(b">51.74<", b">51.745<")
    return good.replace(f"<Nm>{_ADA.name}</Nm>".encode(), b"")


SAMPLES: Final[dict[str, Callable[[], bytes]]] = {
    "pacs.008.xml": credit_transfer,
    "pacs.008-to-nobody.xml": credit_transfer_to_nobody,
    "pacs.028.xml": status_request,
    "camt.056.xml": recall,
    "pacs.004.xml": partial_return,
    "broken.xml": broken,
}
"""The files of `examples/instant`."""


def _payment(uetr: str, message_id: str, account: str, *, name: str) -> CreditTransfer:
    return CreditTransfer(
        message_id=message_id,
        created=_CREATED,
        uetr=uetr,
        end_to_end_id="INVOICE-2026-117",
        amount=Amount("USD", 51_74),
        debtor=Party(_ADA.name, _ADA.number),
        debtor_agent=_PAYER,
        creditor=Party(name, account),
        creditor_agent=_PAYEE,
        clearing_system="FDN",
        settled_on=_DAY,
        local_instrument="FDNA",
        category_purpose="CONS",
        instructing=_PAYER,
        instructed=_PAYEE,
        remittance=("SAILCLOTH, INVOICE 117",),
    )


def _sent(message: Message) -> bytes:
    """A message on its way to the service, which has the operator's number."""
    returns = isinstance(message, PaymentReturn)
    header = Header(
        sender=Agent(routing=(_PAYEE if returns else _PAYER).routing),
        receiver=Agent(routing=OPERATOR.routing_number),
        message_id=message.message_id,
        definition=BY_VIEW[type(message)].name,
        created=_CREATED,
    )
    return write(Envelope(message, header), is_incoming=True)
