"""Sessions: each request id takes effect once within the window, and a repeat is told what the first was."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from ropewalk.core.machine import NO_ID, Request
from ropewalk.core.sessions import Sessions


class Service:
    """Answers with the number of the command among all that took effect."""

    def __init__(self) -> None:
        self.applied: list[Request] = []

    def apply(self, requests: Sequence[Request]) -> list[bytes]:
        self.applied += requests
        first = len(self.applied) - len(requests)
        return [str(first + number).encode() for number in range(len(requests))]


def request(number: int, command: int = 0) -> Request:
    return Request(number.to_bytes(16, "big"), str(command or number).encode())


batches = st.lists(st.lists(st.builds(request, st.integers(0, 4), st.integers(0, 2)), max_size=5), max_size=8)


@given(batches)
def test_within_the_window_an_id_takes_effect_once_and_gets_the_first_answer(given_: list[list[Request]]) -> None:
    sessions, service = Sessions(requests_max=100), Service()
    first: dict[bytes, tuple[bytes, bytes]] = {}
    for batch in given_:
        for asked, answer in zip(batch, sessions.answer(batch, service.apply), strict=True):
            if asked.id == NO_ID:
                assert answer is not None
                continue
            command, known = first.setdefault(asked.id, (asked.command, answer or b""))
            assert answer == (known if command == asked.command else None)
    with_id = [each.id for each in service.applied if each.id != NO_ID]
    assert len(with_id) == len(set(with_id)) == len(first)
    assert sum(each.id == NO_ID for each in service.applied) == sum(
        each.id == NO_ID for batch in given_ for each in batch
    )


@given(batches)
def test_a_saved_memory_goes_on_as_the_original_does(given_: list[list[Request]]) -> None:
    sessions, service = Sessions(requests_max=3), Service()
    for batch in given_:
        other = Sessions(requests_max=3)
        other.load(sessions.save())
        fresh = Service()
        fresh.applied = list(service.applied)
        assert other.answer(batch, fresh.apply) == sessions.answer(batch, service.apply)
        assert other.save() == sessions.save()


def test_past_the_window_the_oldest_is_forgotten_first() -> None:
    sessions, service = Sessions(requests_max=2), Service()
    sessions.answer([request(1), request(2), request(3)], service.apply)
    assert sessions.answer([request(3)], service.apply) == [b"2"]
    assert sessions.answer([request(1)], service.apply) == [b"3"]


def test_large_answers_shorten_the_window() -> None:
    sessions = Sessions(bytes_max=150)
    for number in (1, 2, 3):
        sessions.answer([request(number)], lambda requests: [b"x" * 60 for _ in requests])
    assert sessions.answer([request(3)], lambda _: []) == [b"x" * 60]
    assert sessions.answer([request(1)], lambda _: [b"again"]) == [b"again"]
