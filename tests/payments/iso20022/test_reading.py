"""What is wrong with a message is told with line, element and what to do; all of it at once."""

from collections.abc import Callable

import pytest

from ropewalk.systems.payments.iso20022.faults import MessageRefused
from ropewalk.systems.payments.iso20022.limits import FAULTS_TOLD_MAX, REPEATS_MAX
from ropewalk.systems.payments.iso20022.model import NO_AGENT, CreditTransfer
from ropewalk.systems.payments.iso20022.reading import read
from ropewalk.systems.payments.iso20022.samples import UETR, broken, credit_transfer, recall, status_request

Change = Callable[[bytes], bytes]


def replaced(old: str, new: str) -> Change:
    def change(content: bytes) -> bytes:
        assert old.encode() in content
        return content.replace(old.encode(), new.encode())

    return change


def faults_of(content: bytes) -> list[tuple[int, str, str]]:
    with pytest.raises(MessageRefused) as caught:
        read(content)
    assert all(fault.advice for fault in caught.value.faults)
    return [(fault.line, fault.element, fault.message) for fault in caught.value.faults]


TRANSFER = "CdtTrfTxInf"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (replaced("<NbOfTxs>1<", "<NbOfTxs>2<"), (33, "GrpHdr/NbOfTxs", "it is '2', and only '1' is taken")),
        (replaced("<NbOfTxs>1</NbOfTxs>", ""), (29, "GrpHdr/NbOfTxs", "it is missing")),
        (replaced(UETR, ""), (44, f"{TRANSFER}/PmtId/UETR", "it is ''")),
        (replaced(UETR, UETR.replace("4d0c", "5d0c")), (44, f"{TRANSFER}/PmtId/UETR", f"it is {UETR[:14]}")),
        (replaced(UETR, "<Id>a</Id>"), (44, f"{TRANSFER}/PmtId/UETR", "it holds Id instead of text")),
        (replaced('Ccy="USD"', ""), (54, f"{TRANSFER}/IntrBkSttlmAmt", "'' is no currency of ISO 4217")),
        (replaced("51.74", "-51.74"), (54, f"{TRANSFER}/IntrBkSttlmAmt", "'-51.74' is no amount")),
        (replaced("51.74", "51.74<a/>"), (54, f"{TRANSFER}/IntrBkSttlmAmt", "it holds elements")),
        (
            replaced("<CreDtTm>2026-11-25T", "<CreDtTm>2026-13-25T"),
            (32, "GrpHdr/CreDtTm", "it is '2026-13-25T10:15:00-05:00'"),
        ),
        (
            replaced("<EndToEndId>INVOICE-2026-117</EndToEndId>", 2 * "<EndToEndId>A</EndToEndId>"),
            (43, f"{TRANSFER}/PmtId/EndToEndId", "it comes more than once"),
        ),
        (
            replaced("INVOICE-2026-117", 50 * "A"),
            (43, f"{TRANSFER}/PmtId/EndToEndId", f"it is {40 * 'A'!r}… of 50 characters"),
        ),
        (
            replaced("<MsgDefIdr>pacs.008.001.08", "<MsgDefIdr>pacs.008.001.09"),
            (0, "AppHdr", "MsgDefIdr is 'pacs.008.001.09', and the document is pacs.008.001.08"),
        ),
        (
            replaced("tech:xsd:pacs.008.001.08", "tech:xsd:pacs.008.001.10"),
            (28, "Document", "it is pacs.008.001.10, which is not read here"),
        ),
        (
            replaced("head.001.001.02", "head.001.001.01"),
            (5, "AppHdr", "it is of urn:iso:std:iso:20022:tech:xsd:head.001.001.01"),
        ),
        (
            replaced("FIToFICstmrCdtTrf", "PmtRtr"),
            (28, "Document", "it holds something else than one FIToFICstmrCdtTrf"),
        ),
        (replaced("Document", "Dokument"), (2, "FedNowIncoming", "there are 0 elements Document")),
    ],
)
def test_a_fault_is_told_with_its_place(change: Change, fault: tuple[int, str, str]) -> None:
    [(line, element, message)] = faults_of(change(credit_transfer()))
    assert (line, element) == fault[:2]
    assert message.replace("'", "").startswith(fault[2].replace("'", ""))


def test_all_faults_are_told_at_once() -> None:
    assert [element for _, element, _ in faults_of(broken())] == [
        f"{TRANSFER}/PmtId/UETR",
        f"{TRANSFER}/IntrBkSttlmAmt",
        f"{TRANSFER}/Dbtr/Nm",
    ]


def test_of_many_faults_the_first_are_told() -> None:
    texts = 50 * "<Ustrd></Ustrd>"
    change = replaced("<Ustrd>SAILCLOTH, INVOICE 117</Ustrd>", texts)
    assert len(faults_of(change(credit_transfer()))) == FAULTS_TOLD_MAX


def test_what_is_kept_of_a_message_is_bounded() -> None:
    line = "<Ustrd>SAILCLOTH, INVOICE 117</Ustrd>"
    message = read(replaced(line, REPEATS_MAX * line)(credit_transfer())).message
    assert isinstance(message, CreditTransfer)
    assert len(message.remittance) == REPEATS_MAX
    more = replaced(line, (REPEATS_MAX + 1) * line)
    assert faults_of(more(credit_transfer()))[0][1:] == (f"{TRANSFER}/RmtInf/Ustrd", "it comes 17 times")


@pytest.mark.parametrize(
    ("around", "element"),
    [
        ("Assgnr", "Assgnmt/Assgnr/Agt"),
        ("Assgne", "Assgnmt/Assgne/Agt"),
        ("Cretr", "Case/Cretr/Agt"),
        ("Fr", "Fr/FIId"),
        ("To", "To/FIId"),
    ],
)
def test_who_could_not_be_answered_is_not_listened_to(around: str, element: str) -> None:
    content = recall()
    start, end = content.index(f"<{around}>".encode()), content.index(f"</{around}>".encode())
    person = f"<{around}><Pty><Nm>ADA</Nm></Pty>".encode()
    assert [fault[1:] for fault in faults_of(content[:start] + person + content[end:])] == [
        (element, "it names no bank")
    ]


def test_two_documents_or_headers_are_not_guessed_between() -> None:
    content = credit_transfer()
    start, end = content.index(b"<AppHdr"), content.index(b"<Document")
    header = content[start:end]
    assert faults_of(content.replace(header, 2 * header))[0][2] == "there are 2 elements AppHdr"
    document = content[end : content.index(b"</Document>") + 11]
    assert faults_of(content.replace(document, 2 * document))[0][2] == "there are 2 elements Document"


def test_elements_of_another_namespace_are_not_taken_for_those_of_the_message() -> None:
    change = replaced(f"<UETR>{UETR}", f'<UETR xmlns="urn:other">{UETR}')
    assert faults_of(change(credit_transfer()))[0][1:] == (f"{TRANSFER}/PmtId/UETR", "it is missing")


def test_a_prefix_is_as_good_as_none() -> None:
    content = credit_transfer()
    start, end = content.index(b"<Document"), content.index(b"</Document>")
    inside = content[start:end].replace(b"</", b"</p:").replace(b"<", b"<p:").replace(b"<p:/p:", b"</p:")
    prefixed = inside.replace(b"xmlns=", b"xmlns:p=") + b"</p:Document>"
    assert read(content[:start] + prefixed + content[end + 11 :]) == read(content)


def test_a_document_without_an_envelope_is_read_too() -> None:
    content = status_request()
    bare = content[content.index(b"<Document") : content.index(b"</Document>") + 11]
    assert read(bare).header is None
    assert read(bare).message == read(content).message


def test_an_agent_that_is_absent_is_none() -> None:
    content = credit_transfer()
    without = content[: content.index(b"<InstgAgt>")] + content[content.index(b"<Dbtr>") :]
    message = read(without).message
    assert isinstance(message, CreditTransfer)
    assert (message.instructing, message.instructed) == (NO_AGENT, NO_AGENT)


def test_a_recall_of_two_payments_is_refused() -> None:
    content = recall()
    start, end = content.index(b"<TxInf>"), content.index(b"</TxInf>") + 8
    twice = content[:end] + content[start:end] + content[end:]
    assert {message for _, _, message in faults_of(twice)} == {"it comes more than once"}


def test_a_recall_of_two_payments_that_share_no_field_is_refused() -> None:
    other = b"<TxInf><OrgnlEndToEndId>OTHER</OrgnlEndToEndId></TxInf></Undrlyg>"
    first = recall().replace(b"<OrgnlEndToEndId>INVOICE-2026-117</OrgnlEndToEndId>", b"")
    assert faults_of(first.replace(b"</Undrlyg>", other))[0][1:] == ("Undrlyg/TxInf", "it comes more than once")
