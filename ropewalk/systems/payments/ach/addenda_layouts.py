"""The tables of addenda records: see `layout` for how to read them.

Checked by: tests/payments/ach/test_layouts.py, test_manifest.py
"""

from typing import Final

from ropewalk.systems.payments.ach.layout import Layout

ADDENDA_02: Final = Layout(
    "addenda_02",
    """
    record_type                     1  =7
    type_code                       2  =02
    reference_information_1         7  alpha   O
    reference_information_2         3  alpha   O
    terminal_identification_code    6  alpha   R
    transaction_serial_number       6  alpha   M
    transaction_date                4  digits  M
    authorization_code              6  alpha   O
    terminal_location              27  alpha   M
    terminal_city                  15  alpha   M
    terminal_state                  2  alpha   M
    trace_number                   15  digits  M
    """,
)

ADDENDA_05: Final = Layout(
    "addenda_05",
    """
    record_type                     1  =7
    type_code                       2  =05
    payment_related_information    80  alpha   O
    addenda_sequence_number         4  digits  M
    entry_detail_sequence_number    7  digits  R
    """,
)

ADDENDA_10: Final = Layout(
    "addenda_10",
    """
    record_type                     1  =7
    type_code                       2  =10
    transaction_type_code           3  alpha   M
    foreign_payment_amount         18  digits  R
    foreign_trace_number           22  alpha   O
    receiving_name                 35  alpha   M
    reserved                        6  blank
    entry_detail_sequence_number    7  digits  R
    """,
)


def _iat_pair(code: str, first: str, second: str) -> Layout:
    """Addenda 11, 12 and 16: two texts of 35."""
    return Layout(
        f"addenda_{code}",
        f"""
        record_type                     1  =7
        type_code                       2  ={code}
        {first}                        35  alpha   M
        {second}                       35  alpha   M
        reserved                       14  blank
        entry_detail_sequence_number    7  digits  R
        """,
    )


ADDENDA_11: Final = _iat_pair("11", "originator_name", "originator_street_address")
ADDENDA_12: Final = _iat_pair("12", "originator_city_state", "originator_country_postal_code")
ADDENDA_16: Final = _iat_pair("16", "receiver_city_state", "receiver_country_postal_code")


def _iat_bank(code: str, who: str) -> Layout:
    """Addenda 13 and 14: a bank."""
    return Layout(
        f"addenda_{code}",
        f"""
        record_type                     1  =7
        type_code                       2  ={code}
        {who}_name                     35  alpha   M
        {who}_id_qualifier              2  digits  M
        {who}_identification           34  alpha   M
        {who}_branch_country_code       3  alpha   M
        reserved                       10  blank
        entry_detail_sequence_number    7  digits  R
        """,
    )


ADDENDA_13: Final = _iat_bank("13", "originating_dfi")
ADDENDA_14: Final = _iat_bank("14", "receiving_dfi")

ADDENDA_15: Final = Layout(
    "addenda_15",
    """
    record_type                     1  =7
    type_code                       2  =15
    receiver_identification_number 15  alpha   O
    receiver_street_address        35  alpha   M
    reserved                       34  blank
    entry_detail_sequence_number    7  digits  R
    """,
)

ADDENDA_17: Final = Layout(
    "addenda_17",
    """
    record_type                     1  =7
    type_code                       2  =17
    payment_related_information    80  alpha   O
    addenda_sequence_number         4  digits  M
    entry_detail_sequence_number    7  digits  R
    """,
)

ADDENDA_18: Final = Layout(
    "addenda_18",
    """
    record_type                           1  =7
    type_code                             2  =18
    foreign_correspondent_bank_name      35  alpha   M
    foreign_correspondent_bank_qualifier  2  digits  M
    foreign_correspondent_bank_id        34  alpha   M
    foreign_correspondent_bank_country    3  alpha   M
    reserved                              6  blank
    addenda_sequence_number               4  digits  M
    entry_detail_sequence_number          7  digits  R
    """,
)

ADDENDA_98: Final = Layout(
    "addenda_98",
    """
    record_type                             1  =7
    type_code                               2  =98
    change_code                             3  alpha   M
    original_entry_trace_number            15  digits  M
    reserved                                6  blank
    original_receiving_dfi_identification   8  digits  M
    corrected_data                         29  alpha   M
    reserved_2                             15  blank
    trace_number                           15  digits  R
    """,
)

ADDENDA_98_REFUSED: Final = Layout(
    "addenda_98_refused",
    """
    record_type                             1  =7
    type_code                               2  =98
    refused_change_code                     3  alpha   M
    original_entry_trace_number            15  digits  M
    reserved                                6  blank
    original_receiving_dfi_identification   8  digits  M
    corrected_data                         29  alpha   M
    change_code                             3  alpha   M
    trace_sequence_number                   7  digits  M
    reserved_2                              5  blank
    trace_number                           15  digits  R
    """,
)

ADDENDA_99: Final = Layout(
    "addenda_99",
    """
    record_type                             1  =7
    type_code                               2  =99
    return_reason_code                      3  alpha   M
    original_entry_trace_number            15  digits  M
    date_of_death                           6  date    O
    original_receiving_dfi_identification   8  digits  M
    addenda_information                    44  alpha   O
    trace_number                           15  digits  R
    """,
)

ADDENDA_99_DISHONORED: Final = Layout(
    "addenda_99_dishonored",
    """
    record_type                             1  =7
    type_code                               2  =99
    return_reason_code                      3  alpha   M
    original_entry_trace_number            15  digits  M
    reserved                                6  blank
    original_receiving_dfi_identification   8  digits  M
    reserved_2                              3  blank
    return_trace_number                    15  digits  M
    return_settlement_date                  3  digits  M
    dishonored_return_reason_code           2  digits  M
    addenda_information                    21  alpha   O
    trace_number                           15  digits  R
    """,
)
"""R61, R62, R67 to R70; `dishonored_return_reason_code` is that of the return, without its R."""

ADDENDA_99_CONTESTED: Final = Layout(
    "addenda_99_contested",
    """
    record_type                             1  =7
    type_code                               2  =99
    return_reason_code                      3  alpha   M
    original_entry_trace_number            15  digits  M
    date_original_entry_returned            6  digits  R
    original_receiving_dfi_identification   8  digits  M
    original_settlement_date                3  digits  R
    return_trace_number                    15  digits  M
    return_settlement_date                  3  digits  R
    return_reason                           2  digits  M
    dishonored_return_trace_number         15  digits  M
    dishonored_return_settlement_date       3  digits  R
    dishonored_return_reason_code           2  digits  M
    reserved                                1  blank
    trace_number                           15  digits  R
    """,
)
"""R71 to R77."""
