"""The answers that a partition remembers, so that a repeated request gets the first one again.

The window is counted in requests and not in time: replicas apply the same requests and so forget the same ones.

Promise:    of the last `window` request ids each has taken effect once; a repeat gets the first answer.
Not given:  anything about an older id: it takes effect again. A machine that keeps ids itself has no such end.
Checked by: tests/core/test_sessions.py, ropewalk.proving.world
"""

from collections.abc import Sequence
from itertools import islice

from ropewalk.core.codec import encode_value
from ropewalk.core.limits import SESSION_REQUESTS
from ropewalk.core.machine import Request


class Sessions:
    """Answers by request id, oldest first."""

    def __init__(self, *, window: int = SESSION_REQUESTS) -> None:
        self._window = window
        self._answers: dict[bytes, bytes] = {}

    def fresh(self, requests: Sequence[Request]) -> Sequence[Request]:
        """The requests whose id is not remembered, each once."""
        first = {request.id: request for request in reversed(requests)}
        if len(first) == len(requests) and self._answers.keys().isdisjoint(first):
            return requests
        return [
            request
            for request in requests
            if request.id not in self._answers and first.pop(request.id, None) is not None
        ]

    def remember(self, requests: Sequence[Request], replies: Sequence[bytes]) -> None:
        """Keep the answers to fresh requests."""
        for request, reply in zip(requests, replies, strict=True):
            self._answers[request.id] = reply

    def recall(self, request_id: bytes) -> bytes:
        """The answer to a remembered request."""
        return self._answers[request_id]

    def forget_old(self) -> None:
        """Drop what is past the window, oldest first."""
        excess = max(0, len(self._answers) - self._window)
        for request_id in list(islice(self._answers, excess)):
            del self._answers[request_id]

    def save(self) -> bytes:
        """The whole memory, in order."""
        return encode_value(list(self._answers.items()))

    def load(self, answers: Sequence[tuple[bytes, bytes]]) -> None:
        """Become what was saved."""
        self._answers = dict(answers)
