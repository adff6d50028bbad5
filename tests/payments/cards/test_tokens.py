"""Card numbers are known by a keyed hash, whose key is in a file of its owner's own."""

from pathlib import Path

import pytest

from ropewalk.errors import Rejected
from ropewalk.systems.payments.cards.masking import masked, shown
from ropewalk.systems.payments.cards.tokens import CardKey, card_number, is_card_number, new_key, open_key


def test_a_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "card.key"
    first = open_key(path)
    assert open_key(path).token("4000000000000010") == first.token("4000000000000010")
    assert path.stat().st_mode & 0o077 == 0


def test_another_key_gives_other_tokens_and_says_so() -> None:
    one, other = new_key(), new_key()
    assert one.token("4000000000000010") != other.token("4000000000000010")
    assert one.check != other.check
    assert len(one.token("4000000000000010")) == 16


def test_a_key_is_not_shown() -> None:
    assert bytes(range(32)).hex() not in repr(CardKey(bytes(range(32))))


@pytest.mark.parametrize("content", ["", "00", "zz" * 32, "00" * 33])
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "card.key"
    path.write_text(content)
    with pytest.raises(Rejected, match="holds no card key"):
        open_key(path)


def test_a_key_that_can_not_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="can't use the card key"):
        open_key(tmp_path)


def test_card_numbers_have_a_check_digit() -> None:
    assert is_card_number("4111111111111111")
    assert not is_card_number("4111111111111112")
    assert not is_card_number("411111")
    assert not is_card_number("411111111111111a")
    assert is_card_number(card_number("400000123456789"))


def test_a_card_shows_its_first_six_and_its_last_four_digits() -> None:
    assert masked("4111111111111111") == "411111******1111"
    assert masked("4111111111") == "*" * 10
    assert masked("") == ""


def test_fields_are_shown_only_if_they_are_known_to_hold_no_secret() -> None:
    fields = {"t": "0100", "2": "4111111111111111", "4": "000000000100"}
    secrets = {"35": "4111111111111111=2912", "45": "B41", "52": "A1B2", "55": "9F02", "48": "CVV123", "14": "2912"}
    assert shown({**fields, **secrets}) == {**fields, "2": "411111******1111"}
