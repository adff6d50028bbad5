"""The answers that a partition remembers, so that a repeated request gets the first one again.

The window is counted in requests and in bytes, and not in time: replicas apply the same requests and so forget the
same ones. A request without an id (`NO_ID`) is not remembered.

Promise:    within the window each request id takes effect once; a repeat gets the first answer, and a repeat with
            another command gets None and has no effect.
Not given:  anything about an older id: it takes effect again. A machine that keeps ids itself has no such end.
Checked by: tests/core/test_sessions.py, ropewalk.proving.world
"""

from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from ropewalk.core.codec import checksum
from ropewalk.core.limits import SESSION_BYTES, SESSION_REQUESTS
from ropewalk.core.machine import NO_ID, Request

Reply = bytes | None
"""A machine's answer, or None: the request id was used before, with another command."""


class _Answer(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What was answered to a command, and the command's checksum.

    A hundred thousand of these are young at once, so as tuples they make one collection of garbage take 10 ms.
    """

    command: bytes
    reply: bytes


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(dict[bytes, _Answer])


class Sessions:
    """Answers by request id, oldest first."""

    def __init__(self, *, requests_max: int = SESSION_REQUESTS, bytes_max: int = SESSION_BYTES) -> None:
        self._requests_max = requests_max
        self._bytes_max = bytes_max
        self._bytes = 0
        # A dict alone finds its oldest entry only by stepping over all that were removed before it; an OrderedDict of
        # this size stops for 10 ms whenever it grows.
        self._answers: dict[bytes, _Answer] = {}
        self._order: deque[bytes] = deque()

    def answer(
        self, requests: Sequence[Request], apply: Callable[[Sequence[Request]], Sequence[bytes]]
    ) -> Sequence[Reply]:
        """Apply the requests that are new, remember what is answered to them, and answer each request."""
        fresh = self._fresh(requests)
        replies = apply(fresh)
        for request, reply in zip(fresh, replies, strict=True):
            if request.id != NO_ID:
                self._remember(request.id, _Answer(checksum(request.command), reply))
        answers = replies if fresh is requests else self._recalled(requests, fresh, replies)
        self._forget_old()
        return answers

    def save(self) -> bytes:
        """The whole memory, in order."""
        return _ENCODER.encode(self._answers)

    def load(self, saved: bytes | memoryview) -> None:
        """Become what was saved."""
        self._answers.clear()
        self._order.clear()
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
        self._order.append(request_id)
        self._bytes += len(answer.reply)

    def _recalled(
        self, requests: Sequence[Request], fresh: Sequence[Request], replies: Sequence[bytes]
    ) -> Sequence[Reply]:
        unremembered = (reply for request, reply in zip(fresh, replies, strict=True) if request.id == NO_ID)
        return [next(unremembered) if request.id == NO_ID else self._recall(request) for request in requests]

    def _recall(self, request: Request) -> Reply:
        answer = self._answers[request.id]
        return answer.reply if answer.command == checksum(request.command) else None

    def _forget_old(self) -> None:
        while len(self._answers) > self._requests_max or self._bytes > self._bytes_max:
            self._bytes -= len(self._answers.pop(self._order.popleft()).reply)
