"""What the stories in `stories/` can say: one verb a line, words in quotes where they hold blanks.

Banks go by short names and payments by letters; amounts are dollars. An answer is its status and its reasons.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from ropewalk.systems.payments.instant import messages
from ropewalk.systems.payments.instant.limits import PAYMENTS_KEPT
from ropewalk.systems.payments.instant.messages import Answered, PolicySet, Refused
from ropewalk.systems.payments.iso20022.model import (
    NO_AGENT,
    Agent,
    CancellationRequest,
    CreditTransfer,
    Original,
    Party,
    PaymentReturn,
    Reason,
    Resolution,
    StatusReport,
    StatusRequest,
)
from ropewalk.systems.payments.iso20022.money import Amount
from ropewalk.systems.payments.processing import messages as ach
from tests.payments.instant.desks import Desk, Together
from tests.payments.processing.town import Town, routing
from tests.stories import done

BANKS = {"harbor": routing("99100012"), "meadow": routing("99200023"), "capstan": routing("99300034")}
CREATED = "2026-11-24T09:00:00-05:00"


def uetr(letter: str) -> str:
    """The UETR of a payment that goes by a letter."""
    return f"{ord(letter):08x}-0000-4000-8000-000000000000"


class Story:
    """A town whose people pay each other at once."""

    def __init__(self, opened: Callable[[int], Desk] = Together) -> None:
        self._opened = opened
        self.desk = opened(PAYMENTS_KEPT)
        self.answers: list[StatusReport | Resolution] = []
        self._verbs: dict[str, Callable[..., str]] = {
            name.removeprefix("_do_").replace("_", "-"): getattr(self, name)
            for name in dir(self)
            if name.startswith("_do_")
        }
        self._accounts = 0
        self._asked = 0

    @property
    def town(self) -> Town:
        """The town, where one machine keeps all banks."""
        assert isinstance(self.desk, Together)
        return self.desk.town

    def run(self, block: str) -> str:
        """Do what each line says; return what there is to see."""
        return done(block, self._verbs)

    def _do_keep(self, payments: str) -> str:
        """Begin with a machine that keeps the words of so many payments."""
        self.desk = self._opened(int(payments))
        return ""

    def _do_wait(self, seconds: str) -> str:
        """Let time pass, doing what is due on the way."""
        self.desk.wait(int(seconds))
        return ""

    def _do_bank(self, name: str) -> str:
        """Open an institution."""
        self.desk.change(ach.OpenInstitution(BANKS[name], name.upper()))
        return ""

    def _do_account(self, name: str, *flags: str, cents: str = "0") -> str:
        """Open an account, bank/number, with some dollars in it."""
        bank, _, number = name.partition("/")
        self.desk.change(ach.OpenAccounts([ach.NewAccount(BANKS[bank], number, overdraft="overdraft" in flags)]))
        if float(cents):
            self.desk.fund(self._accounts, _cents(cents))
        self._accounts += 1
        return ""

    def _do_restrict(self, name: str, restriction: str) -> str:
        """Restrict an account."""
        bank, _, number = name.partition("/")
        self.desk.change(ach.RestrictAccount(BANKS[bank], number, restriction))
        return ""

    def _do_policy(
        self, name: str, arrivals: str = "accept", recalls: str = "ask", who: str = "OPS", why: str = "a story"
    ) -> str:
        """Say how an account's bank decides."""
        bank, _, number = name.partition("/")
        return self._done(messages.SetPolicy(BANKS.get(bank, bank), number, arrivals, recalls, who, why))

    def _do_pay(self, letter: str, debtor: str, creditor: str, amount: str, **changes: str) -> str:
        """Send a credit transfer."""
        (from_bank, _, from_number), (to_bank, _, to_number) = debtor.partition("/"), creditor.partition("/")
        transfer = CreditTransfer(
            message_id=self._message_id(),
            created=CREATED,
            uetr=uetr(letter),
            end_to_end_id=changes.get("as", letter.upper()),
            amount=Amount(changes.get("currency", "USD"), _cents(amount)),
            debtor=Party("DEBTOR", from_number),
            debtor_agent=_agent(from_bank),
            creditor=Party("CREDITOR", to_number),
            creditor_agent=_agent(to_bank),
            instructing=_agent(changes["by"]) if "by" in changes else NO_AGENT,
        )
        return self._done(messages.Take(transfer))

    def _do_status(self, letter: str) -> str:
        """Send a status request."""
        request = StatusRequest(message_id=self._message_id(), created=CREATED, original=Original(uetr(letter)))
        answer = self.desk.read(messages.AskStatus(request))
        report = msgspec.msgpack.decode(answer, type=StatusReport)
        self.answers.append(report)
        return _shown(report)

    def _do_return(self, letter: str, amount: str, reason: str = "CUST", **changes: str) -> str:
        """Send a return."""
        back = PaymentReturn(
            message_id=self._message_id(),
            created=CREATED,
            original=Original(uetr(letter)),
            amount=Amount(changes.get("currency", "USD"), _cents(amount)),
            return_id=changes.get("id", ""),
            instructing=_agent(changes["by"]) if "by" in changes else NO_AGENT,
            reasons=(Reason(reason),),
        )
        return self._done(messages.Take(back))

    def _do_recall(self, letter: str, case: str = "CASE", reason: str = "DUPL", **changes: str) -> str:
        """Send a cancellation request."""
        request = CancellationRequest(
            message_id=self._message_id(),
            created=CREATED,
            assigner=_agent(changes.get("by", "harbor")),
            assignee=_agent("meadow"),
            original=Original(uetr(letter)),
            case_id=case,
            case_creator=_agent(changes.get("by", "harbor")),
            amount=Amount("USD", _cents(changes["amount"])) if "amount" in changes else None,
            reasons=(Reason(reason),),
        )
        return self._done(messages.Take(request))

    def _do_decide(self, letter: str, decision: str, who: str = "OPS", why: str = "") -> str:
        """Let a person accept a payment that waits, or reject it for a reason."""
        accept = decision == "accept"
        return self._done(messages.Decide(uetr(letter), accept, who, why, "" if accept else decision))

    def _do_decide_recall(self, letter: str, decision: str, who: str = "OPS", why: str = "") -> str:
        """Let a person accept a recall, or reject it for a reason."""
        accept = decision == "accept"
        return self._done(messages.DecideRecall(uetr(letter), accept, who, why, "" if accept else decision))

    def _do_balances(self, *names: str) -> str:
        """The balances of accounts, bank/number each; of a bank alone, what it has at the central bank."""
        lines = []
        for name in names:
            bank, _, number = name.partition("/")
            if number:
                account = msgspec.msgpack.decode(self.desk.look(ach.GetAccount(BANKS[bank], number)))
                reserved = account["balance_cents"] - account["available_cents"]
                shown = _dollars(account["balance_cents"]) + (f", {_dollars(reserved)} reserved" if reserved else "")
            else:
                listed = msgspec.msgpack.decode(self.desk.look(ach.ListInstitutions()))
                shown = _dollars(next(each for each in listed if each["routing"] == BANKS[bank])["settlement_cents"])
            lines.append(f"{name}: {shown}")
        return "\n".join(lines)

    def _do_statement(self, name: str) -> str:
        """What moved on an account."""
        bank, _, number = name.partition("/")
        statement = msgspec.msgpack.decode(self.desk.look(ach.GetStatement(BANKS[bank], number)))
        return "\n".join(f"{each['what']} {_dollars(each['amount_cents'])}" for each in statement["lines"])

    def _do_history(self, letter: str) -> str:
        """What happened to a payment, by whom, and why."""
        view = self.view(letter)
        return "\n".join(
            " ".join(filter(None, (note["what"], f"by {_named(note['who'])}" if note["who"] else "", note["why"])))
            for note in view["history"]
        )

    def view(self, letter: str) -> Any:
        """A payment as anybody may see it."""
        return msgspec.msgpack.decode(self.desk.read(messages.GetPayment(uetr(letter))))

    def _done(self, command: messages.AnyCommand) -> str:
        reply = self.desk.send(command)
        match reply:
            case Answered(message):
                self.answers.append(message)
                return _shown(message)
            case PolicySet(repeated):
                return "as before" if repeated else ""
            case Refused(reason, detail):
                return f"refused: {reason}: {detail}"

    def _message_id(self) -> str:
        self._asked += 1
        return f"M{self._asked}"


def _agent(name: str) -> Agent:
    return Agent(routing=BANKS.get(name, name), clearing_system="USABA")


def _named(who: str) -> str:
    return next((name for name, number in BANKS.items() if number == who), who)


def _shown(message: StatusReport | Resolution) -> str:
    status = message.status if isinstance(message, StatusReport) else f"{message.confirmation} {message.status}"
    return " ".join([status, *(reason.code for reason in message.reasons)])


def _cents(dollars: str) -> int:
    return round(float(dollars) * 100)


def _dollars(cents: int) -> str:
    return f"{cents / 100:,.2f}"
