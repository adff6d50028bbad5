"""The bounds of ISO 20022 messages, each with its reason; the relations between them are checked on import.

Checked by: tests/payments/iso20022/test_parsing.py
"""

from typing import Final

from ropewalk.core.limits import COMMAND_BYTES_MAX
from ropewalk.errors import invariant

MESSAGE_BYTES_MAX: Final = 262_144
"""One message: a credit transfer has some 5,000 bytes, and the largest that FedNow's rules allow a tenth of this."""

DEPTH_MAX: Final = 32
"""Elements inside each other: the deepest path of the messages here has 12, and its envelope three more."""

ELEMENTS_MAX: Final = 4_096
"""Elements of one message, so that what is wrong with it is found within some milliseconds: libxml2 looks at all the
neighbours of each fault. A credit transfer has some 80."""

NAME_CHARS_MAX: Final = 256
"""Of an element's name with its namespace: those here have up to 80. Each path is made of up to 32 of them."""

REPEATS_MAX: Final = 16
"""Lines of remittance, and reasons, of one payment: schemas let a message be full of them, and each is kept."""

FAULTS_TOLD_MAX: Final = 20
"""Faults that the refusal of a message lists."""

AMOUNT_MAX: Final = 10**18 - 1
"""The largest amount in the smallest unit of its currency: the 18 digits of the schemas, and less than 2^63."""

SCHEMA_BYTES_MAX: Final = 4_194_304
"""One schema file: the largest of ISO 20022 has some 300,000 bytes."""

SCHEMA_ELEMENTS_MAX: Final = 65_536
"""Elements of one schema file: the largest has some 2,000."""

STATEMENT_LINES_MAX: Final = 10_000
"""Lines of one camt.053 statement or CSV file; a longer one is asked for in parts, after its last line."""

invariant(MESSAGE_BYTES_MAX < COMMAND_BYTES_MAX, "what a message says fits a command")
