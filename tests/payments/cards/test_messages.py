"""What messages ask, and that nothing but Malformed comes of fields that make no sense."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.systems.payments.cards.codec import Fields, Malformed
from ropewalk.systems.payments.cards.commands import (
    Answer,
    Authorise,
    Complete,
    Origin,
    Reverse,
    decode_command,
    encode_command,
)
from ropewalk.systems.payments.cards.messages import (
    answer_fields,
    answer_type,
    is_answer,
    movement_of,
    reject_fields,
)
from ropewalk.systems.payments.cards.reasons import Reason
from ropewalk.systems.payments.cards.specification import Flag
from tests.payments.cards.bank import KEY

NUMBER = "4111111111111111"
FIELDS: Fields = {
    "t": "0100", "2": NUMBER, "3": "000000", "4": "000000001234", "7": "1125120000", "11": "000042",
    "32": "00000000017", "37": "REF000000001", "49": "840",
}  # fmt: skip
ORIGINAL = "010000004111251159000000000001700000000000"
TYPES = ["0100", "0101", "0120", "0121", "0200", "0201", "0220", "0221", "0400", "0401", "0420", "0421"]


def test_an_authorisation_is_read() -> None:
    asked = movement_of(FIELDS, KEY)
    assert asked == Authorise(
        Origin("17", "1125120000", "000042"), KEY.token(NUMBER), "411111******1111", 1234, "840", "REF000000001"
    )


def test_each_type_asks_what_the_standard_has_it_ask() -> None:
    asked = {each: movement_of({**FIELDS, "t": each, "90": ORIGINAL}, KEY) for each in TYPES}
    kinds = {each: type(movement) for each, movement in asked.items()}
    assert kinds == {
        **dict.fromkeys(TYPES[:4], Authorise), **dict.fromkeys(TYPES[4:8], Complete),
        **dict.fromkeys(TYPES[8:], Reverse),
    }  # fmt: skip
    reverse = asked["0420"]
    assert isinstance(reverse, Reverse)
    assert reverse.original == Origin("17", "1125115900", "000041")


def test_a_repeat_asks_the_same() -> None:
    for first, again in [("0100", "0101"), ("0120", "0121"), ("0220", "0221"), ("0400", "0401"), ("0420", "0421")]:
        fields = {**FIELDS, "90": ORIGINAL}
        assert movement_of({**fields, "t": first}, KEY) == movement_of({**fields, "t": again}, KEY)
        assert answer_type(first) == answer_type(again)


def test_a_purchase_posts_and_an_advice_is_decided() -> None:
    purchase, advice = movement_of({**FIELDS, "t": "0200"}, KEY), movement_of({**FIELDS, "t": "0220"}, KEY)
    assert isinstance(purchase, Authorise)
    assert isinstance(advice, Authorise)
    assert (purchase.posts, purchase.is_decided) == (True, False)
    assert (advice.posts, advice.is_decided) == (True, True)
    asks, tells = (movement_of({**FIELDS, "t": each, "38": "123456"}, KEY) for each in ("0200", "0220"))
    assert isinstance(asks, Complete)
    assert isinstance(tells, Complete)
    assert (asks.is_decided, tells.is_decided) == (False, True)


def test_the_card_may_be_read_from_track_2() -> None:
    for track in (f"{NUMBER}=29121010000012345", f"{NUMBER}D29121010000012345"):
        fields = {number: text for number, text in FIELDS.items() if number != "2"} | {"35": track}
        asked = movement_of(fields, KEY)
        assert isinstance(asked, Authorise)
        assert (asked.token, asked.expires) == (KEY.token(NUMBER), "2912")


def test_a_flag_of_the_specification_says_that_a_part_is_welcome() -> None:
    flag = Flag("60", 1, "P")
    for text, welcome in [("xP", True), ("P", False), ("", False)]:
        asked = movement_of({**FIELDS, "60": text}, KEY, partial=flag)
        assert isinstance(asked, Authorise)
        assert asked.takes_part is welcome


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"2": ""}, "2"),
        ({"2": "41111111111111AA"}, "2"),
        ({"4": ""}, "4"),
        ({"4": "12.40"}, "4"),
        ({"7": "1125"}, "7"),
        ({"11": "00042A"}, "11"),
        ({"14": "29"}, "14"),
        ({"32": ""}, "32"),
        ({"49": ""}, "49"),
        ({"t": "0420"}, "90"),
        ({"t": "0420", "90": "1" * 41}, "90"),
        ({"2": "", "35": "=2912"}, "2"),
    ],
)
def test_what_is_missing_or_makes_no_sense_is_named(changes: Fields, field: str) -> None:
    with pytest.raises(Malformed) as raised:
        movement_of({**FIELDS, **changes}, KEY)
    assert raised.value.field == field
    assert NUMBER not in str(raised.value)
    rejected = reject_fields(raised.value)
    assert rejected is not None
    assert rejected["39"] == "30"
    assert rejected["44"] == f"field {field}"
    assert "2" not in rejected


def test_answers_are_never_answered() -> None:
    assert [is_answer(each) for each in ("0100", "0110", "0121", "0130", "0410", "0800", "0810")] == [
        False, True, False, True, True, False, True,
    ]  # fmt: skip
    assert reject_fields(Malformed("x", field="4", read={"t": "0110"})) is None
    for message_type in ("", "01", "01X0", "0\u066100"):
        with pytest.raises(Malformed):
            is_answer(message_type)
        rejected = reject_fields(Malformed("x", field="t", read={"t": message_type}))
        assert rejected is not None
        assert rejected["t"] == "0810"


def test_an_answer_repeats_its_message_and_nothing_secret() -> None:
    asked = {**FIELDS, "35": f"{NUMBER}=2912", "52": "0123456789ABCDEF", "48": "CVV"}
    fields = answer_fields(asked, Answer(Reason.APPROVED_IN_PART, 1000, "123456"))
    assert fields["t"] == "0110"
    assert (fields["39"], fields["4"], fields["38"]) == ("10", "000000001000", "123456")
    assert not {"35", "48", "52"} & fields.keys()


def test_words_for_people_fit_their_field() -> None:
    assert [reason for reason in Reason if len(reason.words) > 25 or len(reason.code) != 2] == []


texts = st.text("0123456789AD= ", max_size=45)


@given(
    st.sampled_from([*TYPES, "0300", "0800"]),
    st.dictionaries(st.sampled_from([*FIELDS, "14", "35", "38", "90", "95"]), texts),
)
def test_whatever_the_fields_hold_nothing_but_malformed_is_raised(message_type: str, changes: Fields) -> None:
    with suppress(Malformed):
        asked = movement_of({**FIELDS, **changes, "t": message_type}, KEY)
        assert isinstance(asked, Reason) or decode_command(encode_command(asked)) == asked
