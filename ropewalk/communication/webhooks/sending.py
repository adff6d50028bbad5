"""The sender port: what carries one message to one receiver and says what became of it.

Promise:    an answer with a status was given by the receiver to this message; `post` returns in bounded time.
Not given:  that a message without an answer did not arrive.
Checked by: tests/engines/test_http.py, tests/communication/webhooks/test_sending.py
"""

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final, NamedTuple, Protocol

_DIGITS_MAX: Final = 9
_BUSY: Final = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)


class Answer(NamedTuple):
    """What a receiver answered: `status` is 0 if it did not, and `why` says why not.

    `retry_after` is the header of that name: seconds, or a date.
    """

    status: int
    why: str = ""
    retry_after: str = ""

    @property
    def is_taken(self) -> bool:
        """The message was taken. A redirect is a failure: whoever moves says so by changing the endpoint's URL."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def is_busy(self) -> bool:
        """The receiver asks for less, or what is in front of it does."""
        return self.status in _BUSY

    @property
    def reason(self) -> str:
        """Why it was not taken, for people."""
        return self.why or f"it answered {self.status}"


def seconds_of(retry_after: str, *, now_s: int) -> int:
    """What a Retry-After header (RFC 9110, 10.2.3) asks for: seconds, or a date; 0 if it is neither, or none."""
    if retry_after.isascii() and retry_after.isdigit():
        return int(retry_after[:_DIGITS_MAX])
    try:
        at = parsedate_to_datetime(retry_after)
    except (ValueError, TypeError, IndexError, OverflowError):
        # What the library raises for what it can't read depends on where it gives up.
        return 0
    # Without a zone it is UTC, as RFC 5322 has it.
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0, int(aware.timestamp()) - now_s)


class Sender(Protocol):
    """What a transport to the outside does."""

    async def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a message and return what became of it; failures of the network are answers with status 0."""
        ...

    async def close(self) -> None:
        """Let go of all connections."""
        ...
