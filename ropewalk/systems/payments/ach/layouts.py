"""The tables of headers, entries and controls: see `layout` for how to read them.

Checked by: tests/payments/ach/test_layouts.py, test_manifest.py
"""

from typing import Final

from ropewalk.systems.payments.ach.layout import Layout

FILE_HEADER: Final = Layout(
    "file_header",
    """
    record_type                     1  =1
    priority_code                   2  =01
    immediate_destination          10  alpha   M
    immediate_origin               10  alpha   M
    file_creation_date              6  date    M
    file_creation_time              4  time    O
    file_id_modifier                1  alpha   R
    record_size                     3  =094
    blocking_factor                 2  =10
    format_code                     1  =1
    immediate_destination_name     23  alpha   O
    immediate_origin_name          23  alpha   O
    reference_code                  8  alpha   O
    """,
)

BATCH_HEADER: Final = Layout(
    "batch_header",
    """
    record_type                     1  =5
    service_class_code              3  digits  M
    company_name                   16  alpha   M
    company_discretionary_data     20  alpha   O
    company_identification         10  alpha   M
    standard_entry_class_code       3  alpha   M
    company_entry_description      10  alpha   M
    company_descriptive_date        6  alpha   O
    effective_entry_date            6  date    R
    settlement_date                 3  alpha   O
    originator_status_code          1  digits  R
    originating_dfi_identification  8  digits  M
    batch_number                    7  digits  M
    """,
)

IAT_BATCH_HEADER: Final = Layout(
    "iat_batch_header",
    """
    record_type                           1  =5
    service_class_code                    3  digits  M
    iat_indicator                        16  alpha   O
    foreign_exchange_indicator            2  alpha   M
    foreign_exchange_reference_indicator  1  digits  M
    foreign_exchange_reference           15  alpha   R
    iso_destination_country_code          2  alpha   M
    company_identification               10  alpha   M
    standard_entry_class_code             3  alpha   M
    company_entry_description            10  alpha   M
    iso_originating_currency_code         3  alpha   M
    iso_destination_currency_code         3  alpha   M
    effective_entry_date                  6  date    R
    settlement_date                       3  alpha   O
    originator_status_code                1  digits  R
    originating_dfi_identification        8  digits  M
    batch_number                          7  digits  M
    """,
)

_ENTRY_HEAD: Final = """
    record_type                     1  =6
    transaction_code                2  digits  M
    receiving_dfi_identification    8  digits  M
    check_digit                     1  digits  R
"""
_ENTRY_TAIL: Final = """
    addenda_record_indicator        1  digits  R
    trace_number                   15  digits  M
"""


def _entry(name: str, middle: str) -> Layout:
    """An entry detail record: all but ADV share their head and tail."""
    return Layout(name, _ENTRY_HEAD.strip() + "\n" + middle.strip() + "\n" + _ENTRY_TAIL.strip())


ENTRY: Final = _entry(
    "entry_detail",
    """
    dfi_account_number             17  alpha   M
    amount                         10  digits  R
    identification_number          15  alpha   O
    individual_name                22  alpha   M
    discretionary_data              2  alpha   O
    """,
)
"""PPD, CCD, WEB, TEL, ACK, COR, DNE, ENR, MTE, POS."""

CUSTOMER_ENTRY: Final = _entry(
    "entry_detail",
    """
    dfi_account_number             17  alpha   M
    amount                         10  digits  R
    individual_name                15  alpha   R
    identification_number          22  alpha   M
    discretionary_data              2  alpha   O
    """,
)
"""CIE: the payer's name before the number by which the payee knows them."""

CORPORATE_ENTRY: Final = _entry(
    "entry_detail",
    """
    dfi_account_number             17  alpha   M
    amount                         10  digits  R
    identification_number          15  alpha   O
    number_of_addenda_records       4  digits  R
    receiving_company_name         16  alpha   M
    reserved                        2  blank
    discretionary_data              2  alpha   O
    """,
)
"""CTX, ATX, TRX."""

CHECK_ENTRY: Final = _entry(
    "entry_detail",
    """
    dfi_account_number             17  alpha   M
    amount                         10  digits  R
    check_serial_number            15  alpha   M
    individual_name                22  alpha   O
    discretionary_data              2  alpha   O
    """,
)
"""ARC, BOC, RCK: a paper check turned into an entry."""

PURCHASE_ENTRY: Final = _entry(
    "entry_detail",
    """
    dfi_account_number             17  alpha   M
    amount                         10  digits  R
    check_serial_number             9  alpha   M
    terminal_city                   4  alpha   M
    terminal_state                  2  alpha   M
    individual_name                22  alpha   O
    discretionary_data              2  alpha   O
    """,
)
"""POP."""

SHARED_NETWORK_ENTRY: Final = _entry(
    "entry_detail",
    """
    dfi_account_number             17  alpha   M
    amount                         10  digits  R
    card_expiration_date            4  digits  M
    document_reference_number      11  alpha   M
    individual_card_account_number 22  alpha   M
    card_transaction_type_code      2  alpha   M
    """,
)
"""SHR."""

TRUNCATED_ENTRY: Final = _entry(
    "entry_detail",
    """
    dfi_account_number             17  alpha   M
    amount                         10  digits  R
    check_serial_number            15  alpha   M
    process_control_field           6  alpha   M
    item_research_number           16  alpha   M
    discretionary_data              2  alpha   O
    """,
)
"""TRC (whose discretionary data is an item type indicator) and XCK."""

IAT_ENTRY: Final = _entry(
    "iat_entry_detail",
    """
    number_of_addenda_records       4  digits  M
    reserved                       13  blank
    amount                         10  digits  R
    dfi_account_number             35  alpha   M
    reserved_2                      2  blank
    gateway_ofac_indicator          1  alpha   O
    secondary_ofac_indicator        1  alpha   O
    """,
)

ADV_ENTRY: Final = Layout(
    "adv_entry_detail",
    _ENTRY_HEAD.strip()
    + """
    dfi_account_number             15  alpha   M
    amount                         12  digits  R
    advice_routing_number           9  digits  M
    file_identification             5  alpha   O
    ach_operator_data               1  alpha   O
    individual_name                22  alpha   M
    discretionary_data              2  alpha   O
    addenda_record_indicator        1  digits  R
    ach_operator_routing_number     8  digits  M
    julian_day                      3  digits  M
    sequence_number                 4  digits  M
    """,
)

BATCH_CONTROL: Final = Layout(
    "batch_control",
    """
    record_type                     1  =8
    service_class_code              3  digits  M
    entry_addenda_count             6  digits  R
    entry_hash                     10  digits  R
    total_debit_amount             12  digits  R
    total_credit_amount            12  digits  R
    company_identification         10  alpha   R
    message_authentication_code    19  alpha   O
    reserved                        6  blank
    originating_dfi_identification  8  digits  M
    batch_number                    7  digits  M
    """,
)

ADV_BATCH_CONTROL: Final = Layout(
    "adv_batch_control",
    """
    record_type                     1  =8
    service_class_code              3  digits  M
    entry_addenda_count             6  digits  R
    entry_hash                     10  digits  R
    total_debit_amount             20  digits  R
    total_credit_amount            20  digits  R
    ach_operator_data              19  alpha   O
    originating_dfi_identification  8  digits  M
    batch_number                    7  digits  M
    """,
)

FILE_CONTROL: Final = Layout(
    "file_control",
    """
    record_type                     1  =9
    batch_count                     6  digits  R
    block_count                     6  digits  M
    entry_addenda_count             8  digits  R
    entry_hash                     10  digits  R
    total_debit_amount             12  digits  R
    total_credit_amount            12  digits  R
    reserved                       39  blank
    """,
)

ADV_FILE_CONTROL: Final = Layout(
    "adv_file_control",
    """
    record_type                     1  =9
    batch_count                     6  digits  R
    block_count                     6  digits  M
    entry_addenda_count             8  digits  R
    entry_hash                     10  digits  R
    total_debit_amount             20  digits  R
    total_credit_amount            20  digits  R
    reserved                       23  blank
    """,
)
