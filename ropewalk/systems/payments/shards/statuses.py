"""What becomes of a transfer between shards, beside what a ledger answers: numbers that TigerBeetle does not use.

Checked by: tests/payments/shards/test_transfers.py
"""

from ropewalk.systems.payments.ledger.statuses import Meaning


class ShardStatus(Meaning):
    """Why a transfer is not yet decided, or never left its shard."""

    PREPARED = 1001, "The money is held and nothing is decided: ask again with the same id."
    EXISTS_UNDECIDED = 1002, "The same transfer exists already and is not decided yet: ask again with the same id."
    MUST_BE_PLAIN = 1003, "Only a transfer without flags, and in no chain, goes from one shard to another."
    TOO_MANY_UNDECIDED = 1004, "Nothing happened: too many transfers are undecided. Send it again, as a new request."
    NOT_DECIDED_IN_TIME = 1005, "Nothing moved: the other shard did not answer in time. A new attempt needs a new id."
