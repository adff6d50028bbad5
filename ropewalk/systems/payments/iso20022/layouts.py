"""Where each field of each message lies: ISO 20022 in the versions of the FedNow service.

Sources: the schemas of ISO 20022 for pacs.008.001.08, pacs.002.001.10, pacs.004.001.10, pacs.028.001.03,
camt.056.001.08, camt.029.001.09 and head.001.001.02; the envelopes of the FedNow service's samples.

Checked by: tests/payments/iso20022/test_samples.py, test_writing.py
"""

from typing import Final, NamedTuple

from ropewalk.systems.payments.iso20022.fields import (
    BIC,
    CODE,
    CODE_5,
    DATE,
    DATE_TIME,
    IBAN,
    MEMBER,
    TEXT_34,
    TEXT_35,
    TEXT_105,
    TEXT_140,
    TEXT_350,
    UETR,
    Bank,
    Fixed,
    Layout,
    Money,
    Several,
    Text,
    Texts,
)
from ropewalk.systems.payments.iso20022.model import (
    CancellationRequest,
    CreditTransfer,
    Message,
    PaymentReturn,
    Reason,
    Resolution,
    StatusReport,
    StatusRequest,
)

NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:"
HEADER_DEFINITION: Final = "head.001.001.02"


class Definition(NamedTuple):
    """One message: its name, the element in its Document, what reads it, and what FedNow's envelope calls it."""

    name: str
    element: str
    view: type[Message]
    layout: Layout
    envelope: str

    @property
    def namespace(self) -> str:
        """The namespace of its Document."""
        return NAMESPACE + self.name


_ONE: Final = "send one payment a message"


def _agent(path: str, field: str) -> Layout:
    inside = f"{path}/FinInstnId"
    return (
        Text(f"{inside}/BICFI", f"{field}.bic", BIC),
        Text(f"{inside}/ClrSysMmbId/ClrSysId/Cd", f"{field}.clearing_system", CODE_5),
        Text(f"{inside}/ClrSysMmbId/MmbId", f"{field}.routing", MEMBER),
        Text(f"{inside}/Nm", f"{field}.name", TEXT_140),
    )


def _answered(path: str, field: str, *, of: str = "") -> Layout:
    """An agent that the answer must name."""
    return (*_agent(path, field), Bank(path, field, of))


def _account(path: str, field: str) -> Layout:
    return (
        Text(f"{path}/Id/IBAN", f"{field}.iban", IBAN),
        Text(f"{path}/Id/Othr/Id", f"{field}.account", TEXT_34),
    )


def _original(path: str) -> Layout:
    group = f"{path}/OrgnlGrpInf"
    return (
        Text(f"{group}/OrgnlMsgId", "original.message_id", TEXT_35),
        Text(f"{group}/OrgnlMsgNmId", "original.definition", TEXT_35),
        Text(f"{group}/OrgnlCreDtTm", "original.created", DATE_TIME),
        Text(f"{path}/OrgnlInstrId", "original.instruction_id", TEXT_35),
        Text(f"{path}/OrgnlEndToEndId", "original.end_to_end_id", TEXT_35),
        Text(f"{path}/OrgnlTxId", "original.transaction_id", TEXT_35),
        Text(f"{path}/OrgnlUETR", "original.uetr", UETR, is_needed=True),
    )


def _reasons(path: str) -> Layout:
    inside: Layout = (
        Text("Rsn/Cd", "code", CODE),
        Text("Rsn/Prtry", "proprietary", TEXT_35),
        Texts("AddtlInf", "details", TEXT_105),
    )
    return (Several(path, "reasons", Reason, inside),)


def _group(method: bool) -> Layout:
    """The group header; of messages that settle also how."""
    settling: Layout = (
        Fixed("GrpHdr/NbOfTxs", "1", _ONE),
        Text("GrpHdr/SttlmInf/SttlmMtd", "settlement_method", CODE, is_needed=True),
        Text("GrpHdr/SttlmInf/ClrSys/Cd", "clearing_system", CODE_5),
    )
    return (
        Text("GrpHdr/MsgId", "message_id", TEXT_35, is_needed=True),
        Text("GrpHdr/CreDtTm", "created", DATE_TIME, is_needed=True),
        *(settling if method else ()),
    )


def _between(path: str) -> Layout:
    return (*_agent(f"{path}/InstgAgt", "instructing"), *_agent(f"{path}/InstdAgt", "instructed"))


_TRANSFER: Final = "CdtTrfTxInf"

_CREDIT_TRANSFER: Final[Layout] = (
    *_group(method=True),
    Text(f"{_TRANSFER}/PmtId/InstrId", "instruction_id", TEXT_35),
    Text(f"{_TRANSFER}/PmtId/EndToEndId", "end_to_end_id", TEXT_35, is_needed=True),
    Text(f"{_TRANSFER}/PmtId/TxId", "transaction_id", TEXT_35),
    Text(f"{_TRANSFER}/PmtId/UETR", "uetr", UETR, is_needed=True),
    Text(f"{_TRANSFER}/PmtTpInf/LclInstrm/Prtry", "local_instrument", TEXT_35),
    Text(f"{_TRANSFER}/PmtTpInf/CtgyPurp/Prtry", "category_purpose", TEXT_35),
    Money(f"{_TRANSFER}/IntrBkSttlmAmt", "amount", is_needed=True),
    Text(f"{_TRANSFER}/IntrBkSttlmDt", "settled_on", DATE),
    Text(f"{_TRANSFER}/ChrgBr", "charge_bearer", CODE, is_needed=True),
    *_between(_TRANSFER),
    Text(f"{_TRANSFER}/Dbtr/Nm", "debtor.name", TEXT_140, is_needed=True),
    *_account(f"{_TRANSFER}/DbtrAcct", "debtor"),
    *_agent(f"{_TRANSFER}/DbtrAgt", "debtor_agent"),
    *_agent(f"{_TRANSFER}/CdtrAgt", "creditor_agent"),
    Text(f"{_TRANSFER}/Cdtr/Nm", "creditor.name", TEXT_140, is_needed=True),
    *_account(f"{_TRANSFER}/CdtrAcct", "creditor"),
    Texts(f"{_TRANSFER}/RmtInf/Ustrd", "remittance", TEXT_140),
)

_STATUS: Final = "TxInfAndSts"

_STATUS_REPORT: Final[Layout] = (
    *_group(method=False),
    *_original(_STATUS),
    Text(f"{_STATUS}/TxSts", "status", CODE, is_needed=True),
    *_reasons(f"{_STATUS}/StsRsnInf"),
    Text(f"{_STATUS}/AccptncDtTm", "accepted", DATE_TIME),
    *_between(_STATUS),
)

_PAYMENT_RETURN: Final[Layout] = (
    *_group(method=True),
    Text("TxInf/RtrId", "return_id", TEXT_35),
    *_original("TxInf"),
    Money("TxInf/RtrdIntrBkSttlmAmt", "amount", is_needed=True),
    Text("TxInf/IntrBkSttlmDt", "settled_on", DATE),
    Text("TxInf/ChrgBr", "charge_bearer", CODE),
    *_between("TxInf"),
    *_reasons("TxInf/RtrRsnInf"),
)

_STATUS_REQUEST: Final[Layout] = (
    *_group(method=False),
    Text("TxInf/StsReqId", "request_id", TEXT_35),
    *_original("TxInf"),
    *_between("TxInf"),
)


def _case(path: str) -> Layout:
    return (
        Text("Assgnmt/Id", "message_id", TEXT_35, is_needed=True),
        *_answered("Assgnmt/Assgnr/Agt", "assigner"),
        *_answered("Assgnmt/Assgne/Agt", "assignee"),
        Text("Assgnmt/CreDtTm", "created", DATE_TIME, is_needed=True),
        Text(f"{path}/Id", "case_id", TEXT_35),
        *_answered(f"{path}/Cretr/Agt", "case_creator", of=path),
    )


_UNDERLYING: Final = "Undrlyg/TxInf"

_CANCELLATION_REQUEST: Final[Layout] = (
    *_case("Case"),
    Text(f"{_UNDERLYING}/CxlId", "cancellation_id", TEXT_35),
    *_original(_UNDERLYING),
    Money(f"{_UNDERLYING}/OrgnlIntrBkSttlmAmt", "amount"),
    Text(f"{_UNDERLYING}/OrgnlIntrBkSttlmDt", "settled_on", DATE),
    *_reasons(f"{_UNDERLYING}/CxlRsnInf"),
)

_DETAILS: Final = "CxlDtls/TxInfAndSts"

_RESOLUTION: Final[Layout] = (
    *_case("RslvdCase"),
    Text("Sts/Conf", "confirmation", CODE, is_needed=True),
    Text(f"{_DETAILS}/CxlStsId", "cancellation_id", TEXT_35),
    *_original(_DETAILS),
    Text(f"{_DETAILS}/TxCxlSts", "status", CODE),
    *_reasons(f"{_DETAILS}/CxlStsRsnInf"),
)

HEADER: Final[Layout] = (
    *_answered("Fr/FIId", "sender"),
    *_answered("To/FIId", "receiver"),
    Text("BizMsgIdr", "message_id", TEXT_35, is_needed=True),
    Text("MsgDefIdr", "definition", TEXT_35, is_needed=True),
    Text("MktPrctc/Regy", "registry", TEXT_350),
    Text("MktPrctc/Id", "market_practice", TEXT_350),
    Text("CreDt", "created", DATE_TIME, is_needed=True),
)

_DEFINITIONS: Final = (
    Definition(
        "pacs.008.001.08", "FIToFICstmrCdtTrf", CreditTransfer, _CREDIT_TRANSFER, "FedNowCustomerCreditTransfer"
    ),
    Definition("pacs.002.001.10", "FIToFIPmtStsRpt", StatusReport, _STATUS_REPORT, "FedNowPaymentStatus"),
    Definition("pacs.004.001.10", "PmtRtr", PaymentReturn, _PAYMENT_RETURN, "FedNowPaymentReturn"),
    Definition("pacs.028.001.03", "FIToFIPmtStsReq", StatusRequest, _STATUS_REQUEST, "FedNowPaymentStatusRequest"),
    Definition(
        "camt.056.001.08", "FIToFIPmtCxlReq", CancellationRequest, _CANCELLATION_REQUEST, "FedNowReturnRequest"
    ),
    Definition("camt.029.001.09", "RsltnOfInvstgtn", Resolution, _RESOLUTION, "FedNowReturnRequestResponse"),
)

DEFINITIONS: Final = {definition.namespace: definition for definition in _DEFINITIONS}
"""Every message that is read and written, by the namespace of its Document."""

BY_VIEW: Final = {definition.view: definition for definition in _DEFINITIONS}
"""The same by the type of its view."""
