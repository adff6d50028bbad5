"""Instant payments between banks of five shards: paid, returned, recalled, decided by people, and rejected in time.

At rest nothing waits but recalls that nobody has decided; both shards of a payment say the same of it, word for word;
and whoever was told how a payment or a return has ended was told what is so.

Checked by: tests/proving/test_town.py, tests/canaries/test_payments_banks.py
"""

from collections.abc import Iterable, Iterator, Sequence
from random import Random
from typing import Final, NamedTuple, TypeVar

import msgspec

from ropewalk.errors import Rejected, invariant
from ropewalk.proving.workloads.banks import BANKS, DEPOSITS, NUMBERS, SHARDS, Moved, Told, ToShard, any_bank, ask
from ropewalk.systems.payments.instant import messages
from ropewalk.systems.payments.instant.messages import (
    INSTANT,
    Answered,
    PaymentView,
    Take,
    encode_command,
    encode_query,
)
from ropewalk.systems.payments.instant.record import Status
from ropewalk.systems.payments.iso20022.model import (
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
from ropewalk.systems.payments.machine import PaymentsMachine

PAYMENTS: Final = 10
_CREATED: Final = "2023-11-14T17:00:00-05:00"
_NOBODY: Final = "9"
_WEIGHTS: Final = {"pay": 8, "pay other": 1, "return": 4, "recall": 3, "decide": 3, "decide recall": 2, "policy": 1}


_Decision = TypeVar("_Decision", messages.Decide, messages.DecideRecall)


class _Seen(NamedTuple):
    """What a shard says of a payment at rest."""

    view: PaymentView
    report: StatusReport


class Instants:
    """The trade."""

    byte = INSTANT

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def opening(self) -> Iterable[ToShard]:
        """Of each bank's customers the second is asked about what arrives, the third gives back what is recalled."""
        for shard in SHARDS:
            yield shard, _policy(shard, NUMBERS[1], arrivals="ask")
            yield shard, _policy(shard, NUMBERS[2], recalls="accept")

    def request(self, random: Random) -> ToShard:
        """What a client asks next: of few payments, so that one is paid, returned and recalled at once."""
        payment = _payment(random.randrange(PAYMENTS))
        ours, theirs = _shards_of(payment)
        match random.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]:
            case "pay":
                return ours, encode_command(Take(payment))
            case "pay other":
                other = Amount("USD", payment.amount.minor + 1)
                return ours, encode_command(Take(msgspec.structs.replace(payment, amount=other)))
            case "return":
                return theirs, encode_command(Take(_return(payment, random)))
            case "recall":
                return ours, encode_command(Take(_recall(payment, case=random.choice(("1", "2")))))
            case "decide":
                return theirs, encode_command(_decision(messages.Decide, payment, random))
            case "decide recall":
                return theirs, encode_command(_decision(messages.DecideRecall, payment, random))
            case _:
                arrivals, recalls = random.choice(("accept", "ask")), random.choice(("ask", "accept", "refuse"))
                shard = any_bank(random)
                return shard, _policy(shard, random.choice(NUMBERS), arrivals=arrivals, recalls=recalls)

    def query(self, random: Random) -> ToShard:
        """What a reader asks next."""
        if random.random() < 0.3:
            return any_bank(random), encode_query(messages.ListPayments())
        payment = _payment(random.randrange(PAYMENTS))
        asked = StatusRequest(message_id="S", created=_CREATED, original=Original(payment.uetr))
        return random.choice(_shards_of(payment)), encode_query(messages.AskStatus(asked))

    def moved(self, machines: Sequence[PaymentsMachine]) -> Iterator[Moved]:
        """What payments have moved: each in both of its shards, or in neither."""
        for payment in map(_payment, range(PAYMENTS)):
            ours, theirs = (_seen(machines[shard], payment.uetr) for shard in _shards_of(payment))
            _check_ended(payment.uetr, ours, theirs)
            if ours is not None:
                self._seen[payment.uetr] = ours
            for shard, seen, party, sign in zip(
                _shards_of(payment), (ours, theirs), (payment.debtor, payment.creditor), (-1, 1), strict=True
            ):
                if seen is not None and seen.view.status == Status.ACCEPTED:
                    account = DEPOSITS[NUMBERS.index(party.account)]
                    yield Moved(shard, account, sign * (seen.view.amount_cents - seen.view.returned_cents))

    def check_told(self, told: Sequence[Told]) -> None:
        """Payments and returns have ended as clients were told, in the same words each time."""
        returned: dict[bytes, StatusReport] = {}
        for each in told:
            command, reply = messages.decode_command(each.command), messages.decode_reply(each.reply)
            if not isinstance(command, Take) or not isinstance(reply, Answered):
                continue
            match command.message, reply.message:
                case CreditTransfer() as message, StatusReport() as report:
                    _check_told_payment(self._seen[message.uetr], message, report)
                case PaymentReturn() as message, StatusReport(status=Status.SETTLED) as report:
                    first = returned.setdefault(each.command, report)
                    invariant(report == first, "a return is answered as before", report=report, first=first)
                    _check_told_return(self._seen[message.original.uetr].view, message)
                case CancellationRequest() as message, Resolution() as resolution:
                    _check_told_recall(self._seen.get(message.original.uetr), resolution)


def _check_ended(uetr: str, ours: _Seen | None, theirs: _Seen | None) -> None:
    """Both shards of a payment say that it has ended, and how; or it never left its own."""
    for seen in (ours, theirs):
        has_ended = seen is None or seen.view.status != Status.PENDING
        invariant(has_ended, "every payment has ended at rest", uetr=uetr, seen=seen)
        ids = [each.return_id for each in seen.view.returns] if seen is not None else []
        invariant(len(ids) == len({*ids}), "a return moves once", uetr=uetr, ids=ids)
    has_left = ours is not None and ours.view.direction == "out"
    if ours is None or theirs is None:
        invariant(theirs is None and not has_left, "no payment is half done", uetr=uetr, ours=ours, theirs=theirs)
        return
    same = ours.report == theirs.report and ours.view.returns == theirs.view.returns
    if ours.view.status == Status.ACCEPTED:
        same = same and ours.view.recall == theirs.view.recall
    invariant(same, "both shards of a payment say the same", uetr=uetr, ours=ours, theirs=theirs)


def _check_told_payment(seen: _Seen, payment: CreditTransfer, report: StatusReport) -> None:
    if report.status == Status.PENDING:
        return
    if payment.amount.minor == seen.view.amount_cents:
        invariant(report == seen.report, "a payment has ended as was told", told=report, at_rest=seen.report)
    else:
        reasons = [each.code for each in report.reasons]
        invariant(reasons == ["DUPL"], "no UETR is used for two payments", told=report, at_rest=seen.report)


def _check_told_return(view: PaymentView, message: PaymentReturn) -> None:
    found = [each.amount_cents for each in view.returns if each.return_id == message.return_id]
    invariant(found == [message.amount.minor], "a return has moved as was told", message=message, found=found)


def _check_told_recall(seen: _Seen | None, resolution: Resolution) -> None:
    """What was recalled went back, or never left."""
    if resolution.confirmation == "CNCL":
        is_so = seen is not None and seen.view.status == Status.REJECTED
        invariant(is_so, "a payment that is cancelled does not move", told=resolution, seen=seen)
    elif resolution.confirmation == "IPAY":
        is_so = seen is not None and any(each.return_id.startswith("RECALL") for each in seen.view.returns)
        invariant(is_so, "a recall that is accepted sends money back", told=resolution, seen=seen)


def _seen(machine: PaymentsMachine, uetr: str) -> _Seen | None:
    """What a shard says of a payment; nothing if it never heard of it."""
    try:
        view = ask(machine, encode_query(messages.GetPayment(uetr)), type=PaymentView)
    except Rejected:
        return None
    return _Seen(view, ask(machine, encode_query(messages.GetReport(uetr)), type=StatusReport))


def _payment(number: int) -> CreditTransfer:
    random = Random(number)
    source, target = any_bank(random), any_bank(random)
    return CreditTransfer(
        message_id=f"P{number}",
        created=_CREATED,
        uetr=f"{number:08x}-0000-4000-8000-000000000000",
        end_to_end_id=f"E{number}",
        amount=Amount("USD", random.randint(1, 20)),
        debtor=Party("DEBTOR", random.choice(NUMBERS)),
        debtor_agent=Agent(routing=BANKS[source]),
        creditor=Party("CREDITOR", random.choice((*NUMBERS * 3, _NOBODY))),
        creditor_agent=Agent(routing=BANKS[target]),
    )


def _shards_of(payment: CreditTransfer) -> tuple[int, int]:
    """The debtor's shard, and the creditor's."""
    return BANKS.index(payment.debtor_agent.routing), BANKS.index(payment.creditor_agent.routing)


def _return(payment: CreditTransfer, random: Random) -> PaymentReturn:
    number = random.choice("123")
    return PaymentReturn(
        message_id=f"R{number}",
        created=_CREATED,
        original=Original(payment.uetr),
        amount=Amount("USD", random.randint(1, 6)),
        return_id=f"R{number}",
        reasons=(Reason("CUST"),),
    )


def _recall(payment: CreditTransfer, *, case: str) -> CancellationRequest:
    return CancellationRequest(
        message_id=f"C{case}",
        created=_CREATED,
        assigner=payment.debtor_agent,
        assignee=payment.creditor_agent,
        original=Original(payment.uetr),
        case_id=case,
        reasons=(Reason("DUPL"),),
    )


def _decision(kind: type[_Decision], payment: CreditTransfer, random: Random) -> _Decision:
    accept = random.random() < 0.7
    return kind(payment.uetr, accept, "ada", "asked", "" if accept else "NARR")


def _policy(shard: int, number: str, *, arrivals: str = "accept", recalls: str = "ask") -> bytes:
    return encode_command(messages.SetPolicy(BANKS[shard], number, arrivals, recalls, "ada", "asked"))
