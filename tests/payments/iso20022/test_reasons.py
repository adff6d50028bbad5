"""Every reason has its place."""

from ropewalk.systems.payments.instant import deadlines, recalling, refusals
from ropewalk.systems.payments.iso20022.reasons import REASONS


def test_every_reason_is_for_something_and_has_a_name() -> None:
    for code, reason in REASONS.items():
        assert 1 <= len(code) <= 4
        assert reason.name
        assert any(reason[2:]), code


def test_what_a_payment_is_rejected_for_is_among_them() -> None:
    given = {*refusals._OF_PAYER.values(), *refusals._OF_PAYEE.values(), *refusals._OF_LEDGER.values()} - {""}
    given |= {"AM03", "AM01", "AM13", "AGNT", "RC03", "RC04", "AC02", "AC03", deadlines.TIMED_OUT, recalling.RECALLED}
    assert {code for code in given if not REASONS[code].rejects_payment} == set()
