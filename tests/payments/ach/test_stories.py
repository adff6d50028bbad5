"""Stories: a valid file, what is done to it, and what reading it then says.

    file NAME                     start from this file of `files.BASES`
    set LINE FIELD = TEXT         put text into a field of a record
    put LINE COLUMN = TEXT        put text at a column, counted from 1
    drop LINE                     take a record out
    copy LINE                     repeat a record
    strip LINE                    take trailing blanks off a line
    cut LINE LENGTH               keep only so many characters of a line
    append TEXT                   add to the end
    balance                       compute all controls again
    ----
    valid, or a line for each problem: line, record, field, code; warnings in brackets

`REWRITE=1 pytest tests/payments/ach/test_stories.py` accepts the new output; review the difference.
"""

import os
from pathlib import Path

import pytest

from ropewalk.systems.payments.ach import Problem, read
from tests.payments.ach.files import BASES, rebalanced

STORIES = sorted((Path(__file__).parent / "stories").glob("*.txt"))


def _told(content: bytes) -> str:
    reading = read(content)
    lines = [_line(problem) for problem in reading.errors] or ["valid"]
    return "\n".join([*lines, *(f"[{_line(problem)}]" for problem in reading.warnings)])


def _line(problem: Problem) -> str:
    return " ".join(word for word in (str(problem.line), problem.record, problem.field, problem.code) if word)


def _edited(content: bytes, command: str) -> bytes:
    words = command.split()
    lines = content.split(b"\n")
    place = int(words[1]) - 1 if len(words) > 1 and words[1].isdigit() else 0
    text = command.partition("= ")[2].encode().decode("unicode_escape").encode("latin-1")
    match words[0]:
        case "file":
            return BASES[words[1]]()
        case "set":
            file = read(content).file
            assert file is not None
            field = file.record(place + 1).layout[words[2]]
            start, text = field.start, text.ljust(field.length)
            lines[place] = lines[place][:start] + text + lines[place][start + len(text) :]
        case "put":
            start = int(words[2]) - 1
            lines[place] = lines[place][:start] + text + lines[place][start + len(text) :]
        case "drop":
            del lines[place]
        case "copy":
            lines.insert(place, lines[place])
        case "strip":
            lines[place] = lines[place].rstrip()
        case "cut":
            lines[place] = lines[place][: int(words[2])]
        case "append":
            return content + command.removeprefix("append ").encode().decode("unicode_escape").encode("latin-1")
        case "balance":
            return rebalanced(content)
        case _:
            raise AssertionError(f"not a command of stories: {command}")
    return b"\n".join(lines)


def _retold(story: str) -> str:
    """The story with what reading says now."""
    chapters = []
    for chapter in story.split("\n\n"):
        told, separator, _expected = chapter.partition("----\n")
        if not separator:
            chapters.append(chapter)
            continue
        content = b""
        for command in told.strip().splitlines():
            if not command.startswith("#"):
                content = _edited(content, command)
        chapters.append(f"{told}----\n{_told(content)}")
    return "\n\n".join(chapters).rstrip("\n") + "\n"


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_a_story_ends_as_it_is_told(path: Path) -> None:
    story = path.read_text()
    retold = _retold(story)
    if os.environ.get("REWRITE") == "1":
        path.write_text(retold)
    assert path.read_text() == retold


@pytest.mark.parametrize("name", sorted(set(BASES) - {"broken.ach"}))
def test_every_base_is_valid_without_a_warning(name: str) -> None:
    reading = read(BASES[name]())
    assert (reading.errors, reading.warnings) == ([], [])
