"""What receivers answer, read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.communication.webhooks.sending import Answer, seconds_of

NOW_S = 1_767_323_045  # 2026-01-02T03:04:05Z


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        ("Fri, 02 Jan 2026 03:05:05 GMT", 60),
        ("Fri, 02 Jan 2026 04:05:05 +0100", 60),
        ("Fri, 02 Jan 2026 03:05:05 -0000", 60),
        ("Fri, 02 Jan 2026 03:00:00 GMT", 0),
        ("", 0),
        ("soon", 0),
        ("-1", 0),
        ("\u0663", 0),
    ],
)
def test_a_pause_is_read_as_seconds_or_a_date(header: str, seconds: int) -> None:
    assert seconds_of(header, now_s=NOW_S) == seconds


@given(
    st.one_of(
        st.text(),
        st.text("0123456789", min_size=5_000, max_size=5_000),
        st.builds(
            "{} {} {} {}:{}:{} {}".format,
            st.integers(-9, 99_999),
            st.sampled_from(["Jan", "Feb", "X"]),
            st.integers(-9, 999_999),
            *[st.integers(-9, 99)] * 3,
            st.sampled_from(["GMT", "+9999999", "-0000", ""]),
        ),
    )
)
def test_no_header_of_a_receiver_does_harm(header: str) -> None:
    assert 0 <= seconds_of(header, now_s=NOW_S) < 10**12


def test_an_answer_says_whether_the_message_was_taken_and_why_not() -> None:
    taken = [status for status in (0, 103, 199, 200, 204, 299, 300, 410, 500) if Answer(status).is_taken]
    assert taken == [200, 204, 299]
    assert Answer(500).reason == "it answered 500"
    assert Answer(0, "it is away").reason == "it is away"
