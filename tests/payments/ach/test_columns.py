"""Columns of cells agree with the same question asked of each text on its own."""

from datetime import date

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk.systems.payments.ach import columns
from ropewalk.systems.payments.ach.columns import Cells

TEXTS = st.lists(st.text(st.sampled_from("0012569 A\x7f\x1f"), min_size=6, max_size=6), min_size=1, max_size=20)
NUMBERS = st.lists(st.integers(0, 10**15 - 1), min_size=1, max_size=20)


def _cells(texts: list[str]) -> Cells:
    return np.frombuffer("".join(texts).encode(), np.uint8).reshape(len(texts), -1)


def _is_date(text: str) -> bool:
    try:
        date(2000 + int(text[:2]), int(text[2:4]), int(text[4:]))
    except ValueError:
        return False
    return text.isdigit()


@settings(max_examples=200)
@given(TEXTS)
def test_each_question_is_answered_as_for_one_text(texts: list[str]) -> None:
    cells = _cells(texts)
    assert columns.is_digits(cells).tolist() == [text.isdigit() for text in texts]
    assert columns.is_blank(cells).tolist() == [not text.strip(" ") for text in texts]
    assert columns.is_empty(cells).tolist() == [not text.strip(" 0") for text in texts]
    assert columns.is_printable(cells).tolist() == [text.isprintable() for text in texts]
    assert columns.is_date(cells).tolist() == [_is_date(text) for text in texts]
    assert columns.texts(cells).tolist() == [text.rstrip(" ").encode() for text in texts]


@given(NUMBERS)
def test_numbers_are_read_as_they_were_written(values: list[int]) -> None:
    cells = np.zeros((len(values), 15), np.uint8)
    columns.put_numbers(cells, np.array(values, np.uint64))
    assert cells.tobytes().decode() == "".join(f"{value:015}" for value in values)
    assert columns.numbers(cells).tolist() == values


def test_a_field_of_twenty_digits_never_equals_a_smaller_number() -> None:
    cells = _cells(["00000000000000000100", "10000000000000000100"])
    assert columns.numbers(cells).tolist() == [100, 2**64 - 1]


def test_times_of_day() -> None:
    assert columns.is_time(_cells(["0000", "2359", "2400", "1260", "12:0"])).tolist() == [
        True,
        True,
        False,
        False,
        False,
    ]


@given(st.lists(st.integers(0, 10**8 - 1), min_size=1))
def test_a_check_digit_makes_the_weighted_sum_a_multiple_of_ten(numbers: list[int]) -> None:
    texts = [f"{number:08}" for number in numbers]
    found = columns.check_digits(_cells(texts)).tolist()
    assert found == [columns.check_digit(text) for text in texts]
    for text, digit in zip(texts, found, strict=True):
        total = sum(weight * int(each) for weight, each in zip((3, 7, 1, 3, 7, 1, 3, 7), text, strict=True))
        assert (total + digit) % 10 == 0


def test_known_routing_numbers_have_their_check_digits() -> None:
    for number in ("231380104", "121042882", "031300012", "051000017", "091400606"):
        assert columns.check_digit(number) == int(number[8])
