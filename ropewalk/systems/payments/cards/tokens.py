"""What stands for a card's number wherever something is kept: a keyed hash of it.

Card numbers are few (a thousand million behind the digits of an issuer), so a plain hash of one could be reversed by
trying all. The key is 32 bytes in a file that only its owner may read; it is in no log, snapshot or reply. Who loses
it has to issue the cards again; `key_check` tells two keys apart without telling either.

Checked by: tests/payments/cards/test_tokens.py
"""

import hashlib
import os
import secrets
from pathlib import Path
from typing import Final

from ropewalk.errors import Rejected

_KEY_BYTES: Final = 32
_TOKEN_BYTES: Final = 16


class CardKey:
    """The key that tokens are made with."""

    __slots__ = ("_key", "check")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.check = hashlib.blake2b(b"check", key=key, digest_size=8, person=b"cards.check").digest()

    def token(self, card_number: str) -> bytes:
        """The token of a card number: 16 bytes."""
        return hashlib.blake2b(card_number.encode(), key=self._key, digest_size=_TOKEN_BYTES).digest()

    def __repr__(self) -> str:
        return f"CardKey({self.check.hex()})"


def open_key(path: Path) -> CardKey:
    """The key in a file, which is made if there is none. Raises Rejected if it can't be read, or is none."""
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(f"{secrets.token_hex(_KEY_BYTES)}\n")
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise Rejected(f"can't use the card key in {path} ({error}): name another file with --cards-key") from error
    digits = text.strip()
    if len(digits) != 2 * _KEY_BYTES or digits.strip("0123456789abcdef"):
        raise Rejected(
            f"{path} holds no card key ({2 * _KEY_BYTES} hexadecimal digits): name another file, or a new one"
        )
    return CardKey(bytes.fromhex(digits))


def new_key() -> CardKey:
    """A key that is kept nowhere: for services that keep nothing."""
    return CardKey(secrets.token_bytes(_KEY_BYTES))


def is_card_number(text: str) -> bool:
    """True for 12 to 19 digits of which the last follows from the others (Luhn)."""
    if not (text.isascii() and text.isdigit() and 12 <= len(text) <= 19):
        return False
    doubled = (2 * int(digit) for digit in text[-2::-2])
    return (sum(map(int, text[-1::-2])) + sum(each - 9 * (each > 9) for each in doubled)) % 10 == 0


def card_number(first_digits: str) -> str:
    """The card number that begins so: the check digit is added."""
    return next(f"{first_digits}{digit}" for digit in range(10) if is_card_number(f"{first_digits}{digit}"))
