"""What the chain of one payment asks the ledger of an institution: one byte, then MessagePack; the reply is a word.

    first institution      Reserve  Release                     Settle  GiveBack
    second institution                        Pay  TakeBack

The reply is a status of the ledger in lower case: `created` if it was done.

Checked by: tests/payments/chains/test_chains.py
"""

from typing import Final, TypeAlias

import msgspec

from ropewalk.systems.payments.coding import Coding

CHAINS: Final = b"\xc4"
"""The first byte of everything here."""


class Transfer(msgspec.Struct, frozen=True, array_like=True):
    """From one account of an institution to another. Ids of accounts are as all shards know them, in 16 bytes."""

    debit: bytes
    credit: bytes
    amount: int
    ledger: int
    code: int


class Reserve(msgspec.Struct, frozen=True, array_like=True, tag="reserve"):
    """Have the payer's money pending."""

    chain: str
    transfer: Transfer


class Release(msgspec.Struct, frozen=True, array_like=True, tag="release"):
    """Void what is pending."""

    chain: str


class Pay(msgspec.Struct, frozen=True, array_like=True, tag="pay"):
    """Pay the payee."""

    chain: str
    transfer: Transfer


class TakeBack(msgspec.Struct, frozen=True, array_like=True, tag="take_back"):
    """Pay what the payee got back to its bank: refused, and nothing used up, if the payee has it no more."""

    chain: str
    transfer: Transfer


class Settle(msgspec.Struct, frozen=True, array_like=True, tag="settle"):
    """Post what is pending."""

    chain: str


class GiveBack(msgspec.Struct, frozen=True, array_like=True, tag="give_back"):
    """Pay what was posted back to the payer."""

    chain: str
    transfer: Transfer


Message: TypeAlias = Reserve | Release | Pay | TakeBack | Settle | GiveBack

_MESSAGES: Final = Coding[Message](CHAINS, Message, name="a message of a chain")

encode: Final = _MESSAGES.encode
decode: Final = _MESSAGES.decode
