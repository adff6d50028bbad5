"""Which layout a record has: its first character says what it is, its batch and its codes say which kind of that.

Checked by: tests/payments/ach/test_model.py, test_manifest.py
"""

from typing import Final

from ropewalk.systems.payments.ach import addenda_layouts, layouts
from ropewalk.systems.payments.ach.codes import CLASS_CODES, ENTRY_CLASSES, UNKNOWN_CLASS
from ropewalk.systems.payments.ach.layout import Layout

ADV_CLASS: Final = CLASS_CODES.index("ADV")
COR_CLASS: Final = CLASS_CODES.index("COR")
IAT_CLASS: Final = CLASS_CODES.index("IAT")

ADDENDA: Final = {
    b"02": addenda_layouts.ADDENDA_02,
    b"05": addenda_layouts.ADDENDA_05,
    b"10": addenda_layouts.ADDENDA_10,
    b"11": addenda_layouts.ADDENDA_11,
    b"12": addenda_layouts.ADDENDA_12,
    b"13": addenda_layouts.ADDENDA_13,
    b"14": addenda_layouts.ADDENDA_14,
    b"15": addenda_layouts.ADDENDA_15,
    b"16": addenda_layouts.ADDENDA_16,
    b"17": addenda_layouts.ADDENDA_17,
    b"18": addenda_layouts.ADDENDA_18,
    b"98": addenda_layouts.ADDENDA_98,
    b"99": addenda_layouts.ADDENDA_99,
}
"""The layout of each addenda type; those of 98 and 99 are refined by their reason."""

DISHONORED_REASONS: Final = (b"R61", b"R62", b"R67", b"R68", b"R69", b"R70")
CONTESTED_REASONS: Final = (b"R71", b"R72", b"R73", b"R74", b"R75", b"R76", b"R77")


def batch_header_layout(*, is_iat: bool) -> Layout:
    return layouts.IAT_BATCH_HEADER if is_iat else layouts.BATCH_HEADER


def batch_control_layout(entry_class: int) -> Layout:
    return layouts.ADV_BATCH_CONTROL if entry_class == ADV_CLASS else layouts.BATCH_CONTROL


def file_control_layout(*, is_adv: bool) -> Layout:
    return layouts.ADV_FILE_CONTROL if is_adv else layouts.FILE_CONTROL


def entry_layout(entry_class: int, *, is_iat: bool) -> Layout:
    """The layout of an entry: by its class, but that of IAT for a notification of change about an IAT entry."""
    if is_iat:
        return layouts.IAT_ENTRY
    return layouts.ENTRY if entry_class == UNKNOWN_CLASS else ENTRY_CLASSES[CLASS_CODES[entry_class]].layout


def addenda_layout(data: bytes) -> Layout | None:
    """The layout of an addenda record; None if its type is unknown."""
    reason = data[3:6]
    if data[1:3] == b"98" and reason[:2] == b"C6":
        return addenda_layouts.ADDENDA_98_REFUSED
    if data[1:3] == b"99" and reason in DISHONORED_REASONS:
        return addenda_layouts.ADDENDA_99_DISHONORED
    if data[1:3] == b"99" and reason in CONTESTED_REASONS:
        return addenda_layouts.ADDENDA_99_CONTESTED
    return ADDENDA.get(data[1:3])


def layout_at(data: bytes, *, entry_class: int, is_iat: bool) -> Layout:
    """The layout of a record in a batch of this class."""
    match data[:1]:
        case b"1":
            return layouts.FILE_HEADER
        case b"5":
            return batch_header_layout(is_iat=is_iat)
        case b"6":
            return entry_layout(entry_class, is_iat=is_iat)
        case b"7":
            return addenda_layout(data) or addenda_layouts.ADDENDA_05
        case b"8":
            return batch_control_layout(entry_class)
        case _:
            return file_control_layout(is_adv=entry_class == ADV_CLASS)
