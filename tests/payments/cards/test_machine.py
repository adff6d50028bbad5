"""Cards as a part of payments: beside ledger and ACH, in one batch, one snapshot and one trial balance."""

import msgspec
import pytest

from ropewalk.errors import Rejected
from ropewalk.systems.payments.cards.commands import (
    Answer,
    Authorise,
    Complete,
    IssueCards,
    Movement,
    NewCard,
    OpenProgramme,
    Origin,
    Reverse,
    decode_reply,
    encode_command,
)
from ropewalk.systems.payments.cards.masking import masked
from ropewalk.systems.payments.ledger.layout import TransferFlags
from ropewalk.systems.payments.processing.books import Holder, account_id
from ropewalk.systems.payments.processing.messages import (
    GetStatement,
    GetTrialBalance,
    NewAccount,
    OpenAccounts,
    OpenInstitution,
)
from tests.payments.cards.bank import BIN, KEY, number_of
from tests.payments.processing.town import HARBOR, Town

NUMBER = number_of(1)
ORIGIN = Origin("17", "1124140000", "000001")


def town() -> Town:
    one = Town()
    one.do(OpenInstitution(HARBOR, "HARBOR"))
    one.do(OpenAccounts([NewAccount(HARBOR, "7")]))
    one.fund(0, 100_00)
    card = NewCard(KEY.token(NUMBER), masked(NUMBER), HARBOR, "7", "2912")
    one.batch(
        [encode_command(OpenProgramme(BIN, HARBOR, hold_days=2)), encode_command(IssueCards([card], KEY.check))]
    )
    return one


def authorise(cents: int) -> bytes:
    return encode_command(Authorise(ORIGIN, KEY.token(NUMBER), masked(NUMBER), cents, "840"))


def test_a_hold_expires_when_its_time_has_come_though_nobody_asks() -> None:
    one = town()
    [reply] = one.batch([authorise(60_00)])
    assert decode_reply(reply) == Answer(0, 60_00, decoded_approval(reply))
    assert one.wakes_at_ns is not None
    one.at("2026-11-26 10:00")
    late = Complete(Origin("17", "1126150000", "000002"), KEY.token(NUMBER), masked(NUMBER), 1, "840", "", ORIGIN)
    [reply] = one.batch([encode_command(late)])
    answer = decode_reply(reply)
    assert isinstance(answer, Answer)
    assert answer.reason == 56


def _purchase() -> Authorise:
    return Authorise(ORIGIN, KEY.token(NUMBER), masked(NUMBER), 1, "840", posts=True)


def decoded_approval(reply: bytes) -> str:
    answer = decode_reply(reply)
    assert isinstance(answer, Answer)
    return answer.approval


def test_what_cards_move_is_in_the_statement_and_in_the_trial_balance() -> None:
    one = town()
    one.batch([encode_command(msgspec.structs.replace(_purchase(), amount_minor=25_00))])
    lines = msgspec.msgpack.decode(one.ask(GetStatement(HARBOR, "7")))["lines"]
    assert [(each["what"], each["amount_cents"]) for each in lines][-1] == ("card_movement", -25_00)
    book = msgspec.msgpack.decode(one.ask(GetTrialBalance()))
    assert book["debit_cents"] == book["credit_cents"]
    assert {each["what"]: each["credit_cents"] for each in book["lines"]}["cards"] == 25_00


def test_a_snapshot_holds_the_cards() -> None:
    one, other = town(), Town()
    [first] = one.batch([authorise(60_00)])
    other.machine.load(one.machine.save().parts)
    assert other.machine.digest() == one.machine.digest()
    assert other.batch([authorise(60_00)]) == [first]


@pytest.mark.parametrize("wrong", [{"currency": "978"}, {"amount_minor": 0}])
def test_an_advice_that_no_issuer_could_make_good_is_refused_however_often_it_comes(wrong: dict[str, object]) -> None:
    one = town()
    advice = msgspec.structs.replace(_purchase(), is_decided=True, **wrong)
    replies = [one.batch([encode_command(advice)]) for _ in range(2)]
    assert replies[0] == replies[1]


@pytest.mark.parametrize(
    "command",
    [
        msgspec.structs.replace(_purchase(), amount_minor=-1),
        msgspec.structs.replace(_purchase(), token=bytes(17)),
        msgspec.structs.replace(_purchase(), origin=Origin("17", "at noon", "000001")),
        Reverse(Origin("17", "112412000", "000001"), KEY.token(NUMBER), masked(NUMBER), 1, "840"),
    ],
)
def test_what_no_ledger_could_hold_is_no_command(command: Movement) -> None:
    one = town()
    with pytest.raises(Rejected, match="not a command about cards"):
        one.machine.vet(encode_command(command))


def test_nobody_closes_the_account_of_a_banks_cards() -> None:
    one = town()
    with pytest.raises(Rejected, match="cards accounts stay open"):
        one.transfer(
            debit=account_id(Holder.CARDS, 0),
            credit=account_id(Holder.SETTLEMENT, 0),
            cents=0,
            flags=TransferFlags.PENDING | TransferFlags.CLOSING_DEBIT,
        )
