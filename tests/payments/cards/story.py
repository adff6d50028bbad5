"""What the stories in `stories/` can say: one verb a line. Messages are ISO 8583 fields, packed and unpacked.

Cards and accounts go by numbers, amounts are dollars. A message is named by its trace number; `of` names another one.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from ropewalk.systems.payments.cards.codec import Codec, Fields, Malformed
from ropewalk.systems.payments.cards.commands import Answer, BlockCard, CardsDone, Refused
from ropewalk.systems.payments.cards.messages import answer_fields, movement_of, reject_fields
from ropewalk.systems.payments.cards.reasons import Reason
from ropewalk.systems.payments.cards.specification import load_specification
from tests.payments.cards.bank import KEY, Bank, number_of, total_of
from tests.stories import asked_in

TYPES = {"authorise": "0100", "advise": "0120", "purchase": "0200", "complete": "0220", "reverse": "0420"}
ACQUIRER = "21000021"


class Story:
    """A bank, a wire, and what has been sent over it."""

    def __init__(self) -> None:
        self.bank = Bank()
        self.codec = Codec(load_specification())
        self._sent: dict[str, Fields] = {}
        self._verbs: dict[str, Callable[..., str]] = {
            name.removeprefix("do_"): getattr(self, name) for name in dir(self) if name.startswith("do_")
        }

    def run(self, block: str) -> str:
        """Do what each line says; return what there is to see."""
        told = []
        for verb, words, options in asked_in(block):
            if verb in TYPES:
                told.append(self._send(TYPES[verb], *words, options=options))
            else:
                told.append(self._verbs[verb](*words, **options))
        return "\n".join(each for each in told if each)

    def do_bank(self, **options: str) -> str:
        """Open the bank and its programme."""
        return _told(self.bank.open(**{name: int(value) for name, value in options.items()}))

    def do_account(self, number: str, dollars: str, *flags: str) -> str:
        """Open an account with some dollars in it."""
        self.bank.account(number, _cents(dollars), overdraft="overdraft" in flags)
        return ""

    def do_card(self, card: str, account: str, **limits: str) -> str:
        """Issue a card for an account; `limit` and `day_limit` are dollars."""
        expires = limits.pop("expires", "2912")
        count = int(limits.pop("day_count", "0"))
        cents = {name: _cents(value) for name, value in limits.items()}
        return _told(self.bank.issue(int(card), account=account, expires=expires, day_count=count, **cents))

    def do_block(self, card: str, state: str) -> str:
        """Set what a card is."""
        return _told(self.bank.do(BlockCard(KEY.token(number_of(int(card))), state)))

    def do_restrict(self, account: str, restriction: str) -> str:
        """Restrict an account."""
        self.bank.restrict(account, restriction)
        return ""

    def do_pass(self, days: str) -> str:
        """Let days pass."""
        self.bank.time_ns += int(float(days) * 86_400) * 1_000_000_000
        self.bank.expire()
        return ""

    def do_repeat(self, trace: str, **changes: str) -> str:
        """Send a message again, with a type that says so."""
        fields = dict(self._sent[trace])
        fields["t"] = f"{fields['t'][:3]}1"
        return self._exchange(fields | _changed(changes))

    def do_balance(self, *slots: str) -> str:
        """The balances of accounts, by number of opening; then what stands on the cards account, and in suspense."""
        lines = []
        for slot in slots:
            balance, held = self.bank.balance(int(slot))
            lines.append(f"account {slot}: {_dollars(balance)}" + (f", {_dollars(held)} held" if held else ""))
        suspense = self.bank.suspense()
        lines.append(
            f"cards: {_dollars(self.bank.spent())}" + (f", suspense {_dollars(suspense)}" if suspense else "")
        )
        return "\n".join(lines)

    def _send(self, message_type: str, trace: str, card: str, dollars: str, *, options: Mapping[str, str]) -> str:
        now = datetime.fromtimestamp(self.bank.time_ns // 1_000_000_000, UTC)
        fields = {
            "t": message_type, "2": number_of(int(card)), "3": "000000", "4": f"{_cents(dollars):012}",
            "7": f"{now:%m%d%H%M%S}", "11": f"{int(trace):06}", "32": ACQUIRER, "41": "TERM0001", "49": "840",
        }  # fmt: skip
        if "of" in options:
            original = self._sent.get(options["of"], fields | {"t": "0100", "11": f"{int(options['of']):06}"})
            fields["90"] = f"{original['t']}{original['11']}{original['7']}{ACQUIRER:0>11}{0:011}"
        fields |= _changed(options)
        self._sent[trace] = fields
        return self._exchange(fields)

    def _exchange(self, fields: Fields) -> str:
        """Over the wire to the bank, and back."""
        fields = {number: text for number, text in fields.items() if text}
        answer = self.codec.unpack(self.codec.pack(self._answer(self.codec.unpack(self.codec.pack(fields)))))
        amount = f" {_dollars(int(answer['4']))}" if answer["39"] == "10" else ""
        words = f" ({answer['44']})" if "44" in answer else ""
        return f"{answer['t']} {answer['11'].lstrip('0')}: {answer['39']}{amount}{words}"

    def _answer(self, fields: Fields) -> Fields:
        try:
            asked = movement_of(fields, KEY, partial=self.codec.specification.partial_approval)
        except Malformed as malformed:
            return reject_fields(malformed) or {}
        reply = Answer(asked) if isinstance(asked, Reason) else self.bank.do(asked)
        assert isinstance(reply, Answer)
        assert total_of(self.bank) == 0
        return answer_fields(fields, reply)


def _changed(options: Mapping[str, str]) -> Fields:
    """Fields that are given by their numbers, by `reference`, or taken out by being empty."""
    named = {"reference": "37", "currency": "49", "expiry": "14", "approval": "38", "decided": "39", "kind": "3"}
    fields = {named.get(name, name): value for name, value in options.items() if name not in ("of", "partial")}
    if "37" in fields:
        fields["37"] = f"{fields['37']:0>12}"
    return fields | ({"60": "1"} if options.get("partial") else {})


def _told(reply: object) -> str:
    assert isinstance(reply, CardsDone | Refused)
    return f"refused: {reply.reason}" if isinstance(reply, Refused) else ""


def _cents(dollars: str) -> int:
    return round(float(dollars) * 100)


def _dollars(cents: int) -> str:
    return f"{cents / 100:,.2f}"
