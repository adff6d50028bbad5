"""Lines become records and records lines, whatever ends them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk.systems.payments.ach.lines import join, split
from ropewalk.systems.payments.ach.problems import Code, Problems

RECORD = b"6" * 93 + b"X"
LINE = st.sampled_from([RECORD, b"1" * 94, b"9" * 50, b"5" * 93, b"8" * 94 + b"   ", b"7" * 94])
ENDING = st.sampled_from([b"\n", b"\r\n"])


@settings(max_examples=300)
@given(
    st.lists(st.tuples(LINE, ENDING), min_size=1, max_size=12), st.sampled_from([b"", b"\n", b" \r\n\x1a", RECORD])
)
def test_joined_is_what_was_split(lines: list[tuple[bytes, bytes]], tail: bytes) -> None:
    content = b"".join(text + ending for text, ending in lines) + tail
    rows, form = split(content, Problems())
    assert join(rows, form) == content


@given(st.integers(1, 40), st.sampled_from([b"\n", b"\r\n", b""]), st.booleans())
def test_regular_lines_need_no_copy_of_any_line(count: int, ending: bytes, is_ended: bool) -> None:
    content = (RECORD + ending) * count
    problems = Problems()
    rows, form = split(content if is_ended else content.removesuffix(ending), problems)
    assert len(rows) == count
    assert len(form.irregular) <= 1
    assert (problems.errors, problems.warnings) == ([], [])


def test_blanks_beyond_a_record_are_ignored_and_reported() -> None:
    problems = Problems()
    rows, _ = split(RECORD + b"   \n" + RECORD + b"\n", problems)
    assert [(problem.line, problem.code) for problem in problems.warnings] == [(1, Code.RECORD_OVERLONG)]
    assert rows[0].tobytes() == RECORD


def test_text_beyond_a_record_is_refused() -> None:
    problems = Problems()
    split(RECORD + b" X\n" + RECORD + b"\n", problems)
    assert [(problem.line, problem.code) for problem in problems.errors] == [(1, Code.RECORD_LENGTH)]
