"""The transport port: how one partition's messages reach another, whoever leads that one now.

Promise:    none that matters: a delivery may be lost, late, repeated or overtaken, since what it holds is numbered
            (`ropewalk.core.mailbox`). An answer, where one comes, is true.
Checked by: tests/runtime/test_mail.py, ropewalk.proving.town
"""

from typing import Protocol

from ropewalk.core.mailbox import Delivery


class Transport(Protocol):
    """What carries deliveries."""

    async def deliver(self, delivery: Delivery) -> int:
        """Hand a delivery to its receiver's leader; return the number of the sender's last letter that is taken in.

        NotAccepted     it was not taken in this time: nobody leads there now
        OutcomeUnknown  perhaps it was: deliver it again
        """
        ...
