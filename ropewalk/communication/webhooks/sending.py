"""The sender port: what carries one message to one receiver and says what became of it.

Promise:    an answer with a status was given by the receiver to this message; `post` returns in bounded time.
Not given:  that a message without an answer did not arrive.
Checked by: tests/engines/test_http.py
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, NamedTuple, Protocol

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


class Sender(Protocol):
    """What a transport to the outside does."""

    async def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a message and return what became of it; failures of the network are answers with status 0."""
        ...

    async def close(self) -> None:
        """Let go of all connections."""
        ...
