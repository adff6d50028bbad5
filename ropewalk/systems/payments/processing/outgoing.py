"""The files that go back after a window: returns to who originated, and answers to who returned.

They are not kept: a window keeps which entry goes back to whom, for which reason and under which trace number, and
the file is written from that and from the original whenever it is asked for, always the same bytes. A file holds at
most `RETURN_FILE_ENTRIES` entries, so writing one is short; an institution may get several parts of one window.

A return repeats its original's company and entry; it changes the transaction code to that of a return, turns the
institutions round, has a trace number of its own, and one addenda record that names the original and the reason.

Promise:    every file is valid by the rules that submitted files are held to.
Checked by: tests/payments/processing/test_outgoing.py, test_properties.py
"""

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Final, NamedTuple

import numpy as np

from ropewalk.systems.payments.ach import addenda_layouts
from ropewalk.systems.payments.ach.balance import EMPTY_BATCH_CONTROL, assemble
from ropewalk.systems.payments.ach.building import header
from ropewalk.systems.payments.ach.codes import CREDITS_ONLY, DEBITS_ONLY, MIXED, return_code_of
from ropewalk.systems.payments.ach.columns import Cells
from ropewalk.systems.payments.ach.layout import RECORD_LENGTH, Layout
from ropewalk.systems.payments.ach.layouts import BATCH_HEADER, CORPORATE_ENTRY, ENTRY, IAT_ENTRY
from ropewalk.systems.payments.ach.model import Category, entry_class_code
from ropewalk.systems.payments.ach.reading import write
from ropewalk.systems.payments.processing.answers import MISROUTED, MISROUTED_DISHONOR
from ropewalk.systems.payments.processing.calendar import day_of, eastern
from ropewalk.systems.payments.processing.directory import Institution
from ropewalk.systems.payments.processing.files import File, credit_side
from ropewalk.systems.payments.processing.layouts import Rows
from ropewalk.systems.payments.processing.limits import RETURN_FILE_ENTRIES
from ropewalk.systems.payments.processing.state import State
from ropewalk.systems.payments.processing.windows import Window

OPERATOR_ROUTING: Final = "990000013"
OPERATOR_NAME: Final = "ROPEWALK CLEARING"
"""Who the files come from. No routing number that is in use begins with 99."""

_MODIFIERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_SEQUENCE_DIGITS: Final = 7
_IAT_KEPT: Final = (b"10", b"11", b"12", b"13", b"14", b"15", b"16")
_COUNTED: Final = ("CTX", "ATX", "TRX")


class ReturnFile(NamedTuple):
    """One file that goes out: to which institution, which part, how many entries."""

    recipient: int
    part: int
    entries: int


def return_files(state: State, window: Window) -> list[ReturnFile]:
    """Which files went out with a closed window."""
    recipients, counts = np.unique(state.windows.answers_of(window.number)["recipient"], return_counts=True)
    return [
        ReturnFile(recipient, part, min(count - part * RETURN_FILE_ENTRIES, RETURN_FILE_ENTRIES))
        for recipient, count in zip(recipients.tolist(), counts.tolist(), strict=True)
        for part in range(-(-count // RETURN_FILE_ENTRIES))
    ]


def write_return_file(state: State, window: Window, *, recipient: int, part: int) -> bytes:
    """One of them, as bytes; nothing if there is no such part."""
    answers = state.windows.answers_of(window.number)
    answers = answers[answers["recipient"] == recipient]
    answers = answers[part * RETURN_FILE_ENTRIES : (part + 1) * RETURN_FILE_ENTRIES]
    if not answers.size:
        return b""
    institution = state.directory.institutions[recipient]
    batches = []
    for (sender, number, batch), group in groupby(answers, key=lambda answer: _batch_of(state, answer)):
        out = _Batch(state.files[number], batch, sender, institution)
        batches.append(out.rows(np.array(list(group))))
    return write(assemble(_file_header(window, institution, part), batches, is_adv=False))


def _file_header(window: Window, institution: Institution, part: int) -> bytes:
    day, minutes = eastern(window.closed_ns)
    return header(
        destination=institution.routing,
        origin=OPERATOR_ROUTING,
        creation_date=f"{day:%y%m%d}",
        creation_time=f"{minutes // 60:02}{minutes % 60:02}",
        file_id_modifier=_MODIFIERS[part % len(_MODIFIERS)],
        immediate_destination_name=institution.name[:23].upper(),
        immediate_origin_name=OPERATOR_NAME,
    )


def _batch_of(state: State, answer: np.void) -> tuple[int, int, int]:
    file = int(answer["file"])
    return int(answer["sender"]), file, int(state.files[file].entries["batch"][answer["row"]])


class _Batch(NamedTuple):
    """A batch that goes out: made from batch `place` of `file`, from the digits `sender` to an institution."""

    file: File
    place: int
    sender: int
    recipient: Institution

    def rows(self, answers: Rows) -> Cells:
        """Its records, from its header to a control that is still empty."""
        entries = self.file.entries[answers["row"]]
        is_credit = credit_side(entries)
        service = (
            MIXED if is_credit.any() and not is_credit.all() else CREDITS_ONLY if is_credit.all() else DEBITS_ONLY
        )
        changed = {
            "service_class_code": f"{service}",
            "settlement_date": "   ",
            "originating_dfi_identification": f"{self.sender:08}",
        }
        records = [_changed(self.file.contents.batches[self.place].header.data, BATCH_HEADER, changed)]
        for answer, entry in zip(answers, entries, strict=True):
            records += self._entry(answer, entry)
        records.append(EMPTY_BATCH_CONTROL)
        return np.frombuffer(b"".join(records), "u1").reshape(-1, RECORD_LENGTH)

    def _entry(self, answer: np.void, entry: np.void) -> Iterator[bytes]:
        """The entry as it goes back, and its addenda."""
        entry_class = entry_class_code(int(self.file.contents.batch_columns["entry_class"][self.place]))
        trace = f"{answer['trace']:015}"
        kept = []
        if entry_class == "IAT":
            kept = [record.data for record in self.file.contents.addenda(entry) if record.data[1:3] in _IAT_KEPT]
        changed = {
            "transaction_code": f"{return_code_of(int(entry['transaction_code']))}",
            "receiving_dfi_identification": self.recipient.routing[:8],
            "check_digit": self.recipient.routing[8],
            "addenda_record_indicator": "1",
            "trace_number": trace,
        }
        data = _changed(self.file.contents.data(int(entry["line"])), ENTRY, changed)
        if entry_class == "IAT":
            data = _changed(data, IAT_ENTRY, {"number_of_addenda_records": f"{len(kept) + 1:04}"})
        elif entry_class in _COUNTED:
            data = _changed(data, CORPORATE_ENTRY, {"number_of_addenda_records": "0001"})
        yield data
        for record in kept:
            yield record[:-_SEQUENCE_DIGITS] + trace[-_SEQUENCE_DIGITS:].encode()
        yield self._addenda(answer, entry, trace)

    def _addenda(self, answer: np.void, entry: np.void, trace: str) -> bytes:
        code = int(answer["code"])
        values: dict[str, str | int] = {"return_reason_code": f"R{code:02}", "trace_number": trace}
        if entry["category"] == Category.FORWARD:
            values["original_entry_trace_number"] = f"{entry['trace']:015}"
            values["original_receiving_dfi_identification"] = f"{entry['rdfi']:08}"
            return addenda_layouts.ADDENDA_99.write(values)
        *_, named = self.file.contents.addenda(entry)
        for name in ("original_entry_trace_number", "original_receiving_dfi_identification"):
            values[name] = named[name]
        settled = day_of(int(self.file.state["settled_day"][answer["row"]]))
        own_trace, reason = f"{entry['trace']:015}", named["return_reason_code"][1:]
        if MISROUTED <= code < MISROUTED_DISHONOR:
            values |= {
                "return_trace_number": own_trace,
                "return_settlement_date": f"{settled:%j}",
                "dishonored_return_reason_code": reason,
                "addenda_information": bytes(answer["information"]).decode(),
            }
            return addenda_layouts.ADDENDA_99_DISHONORED.write(values)
        values |= {
            "return_trace_number": named["return_trace_number"],
            "return_settlement_date": named["return_settlement_date"],
            "return_reason": named["dishonored_return_reason_code"],
            "dishonored_return_trace_number": own_trace,
            "dishonored_return_settlement_date": f"{settled:%j}",
            "dishonored_return_reason_code": reason,
        }
        return addenda_layouts.ADDENDA_99_CONTESTED.write(values)


def _changed(record: bytes, layout: Layout, values: Mapping[str, str]) -> bytes:
    """A record with some fields changed; each value fills its field."""
    changed = bytearray(record)
    for name, value in values.items():
        field = layout[name]
        changed[field.start : field.stop] = value.encode()
    return bytes(changed[:RECORD_LENGTH])
