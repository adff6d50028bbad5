"""The answers that a partition remembers, so that a repeated request gets the first one again.

The window is counted in requests and in bytes, and not in time: replicas apply the same requests and so forget the
same ones. A request without an id (`NO_ID`) is not remembered.

Promise:    within the window each request id takes effect once; a repeat gets the first answer, and a repeat with
            another command gets None and has no effect.
Not given:  anything about an older id: it takes effect again. A machine that keeps ids itself has no such end.
Checked by: tests/core/test_sessions.py, ropewalk.proving.world
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import msgspec

from ropewalk.core.codec import checksum
from ropewalk.core.limits import SESSION_BYTES, SESSION_REQUESTS
from ropewalk.core.machine import NO_ID, Request

Reply = bytes | None
"""A machine's answer, or None: the request id was used before, with another command."""

_Answer = tuple[bytes, bytes]
"""The checksum of the command, and what was answered to it."""

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(dict[bytes, _Answer])


class Sessions:
    """Answers by request id, oldest first."""

    def __init__(self, *, requests_max: int = SESSION_REQUESTS, bytes_max: int = SESSION_BYTES) -> None:
        self._requests_max = requests_max
        self._bytes_max = bytes_max
        self._bytes = 0
        # A plain dict finds its oldest entry only by stepping over every one that was removed before it.
        self._answers: OrderedDict[bytes, _Answer] = OrderedDict()

    def answer(
        self, requests: Sequence[Request], apply: Callable[[Sequence[Request]], Sequence[bytes]]
    ) -> Sequence[Reply]:
        """Apply the requests that are new, remember what is answered to them, and answer each request."""
        fresh = self._fresh(requests)
        replies = apply(fresh)
        for request, reply in zip(fresh, replies, strict=True):
            if request.id != NO_ID:
                self._remember(request.id, (checksum(request.command), reply))
        answers = replies if fresh is requests else self._recalled(requests, fresh, replies)
        self._forget_old()
        return answers

    def save(self) -> bytes:
        """The whole memory, in order."""
        return _ENCODER.encode(self._answers)

    def load(self, saved: bytes | memoryview) -> None:
        """Become what was saved."""
        self._answers.clear()
        self._bytes = 0
        for request_id, answer in _DECODER.decode(saved).items():
            self._remember(request_id, answer)

    def _fresh(self, requests: Sequence[Request]) -> Sequence[Request]:
        """Those without an id, and the first of each id that is not remembered."""
        seen: set[bytes] = set()
        fresh = []
        for request in requests:
            if request.id == NO_ID:
                fresh.append(request)
            elif request.id not in self._answers and request.id not in seen:
                seen.add(request.id)
                fresh.append(request)
        return requests if len(fresh) == len(requests) else fresh

    def _remember(self, request_id: bytes, answer: _Answer) -> None:
        self._answers[request_id] = answer
        self._bytes += len(answer[1])

    def _recalled(
        self, requests: Sequence[Request], fresh: Sequence[Request], replies: Sequence[bytes]
    ) -> Sequence[Reply]:
        unremembered = (reply for request, reply in zip(fresh, replies, strict=True) if request.id == NO_ID)
        return [next(unremembered) if request.id == NO_ID else self._recall(request) for request in requests]

    def _recall(self, request: Request) -> Reply:
        known, reply = self._answers[request.id]
        return reply if known == checksum(request.command) else None

    def _forget_old(self) -> None:
        while len(self._answers) > self._requests_max or self._bytes > self._bytes_max:
            _, (_, reply) = self._answers.popitem(last=False)
            self._bytes -= len(reply)
