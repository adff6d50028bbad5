"""Stories of the chain: who appended what after what, and whether it counts. `REWRITE=1` takes new answers."""

import os
from pathlib import Path

import pytest

from ropewalk.core.chain import Head, Link, Position, follow
from ropewalk.core.codec import checksum
from ropewalk.errors import Damaged

STORIES = sorted((Path(__file__).parent / "stories").glob("*.txt"))


class Log:
    """The chain as one reader sees it."""

    def __init__(self) -> None:
        self.written = {0: Head()}
        self.head = Head()

    def tell(self, line: str) -> str:
        match line.split():
            case ["append", position, "by", writer, "after", follows]:
                return self.append(int(position), writer, int(follows.replace("start", "0")))
            case ["change", position]:
                self.head = Head(Position(int(position)), checksum(b"changed"))
                return "changed"
        raise ValueError(f"not a step of a story: {line}")

    def append(self, position: int, writer: str, follows: int) -> str:
        self.written[position] = Head(Position(position), checksum(f"{position} {writer}".encode()))
        try:
            head = follow(self.head, Link(*self.written[position], self.written[follows]))
        except Damaged as error:
            return f"damaged: {str(error).split(':')[0]}"
        self.head = head or self.head
        return "skipped" if head is None else "counts"


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.stem)
def test_story(story: Path) -> None:
    log = Log()
    told = []
    for paragraph in story.read_text().strip().split("\n\n"):
        line = paragraph.splitlines()[0]
        told.append(paragraph if line.startswith("#") else f"{line}\n----\n{log.tell(line)}")
    text = "\n\n".join(told) + "\n"
    if os.environ.get("REWRITE"):
        story.write_text(text)
    assert story.read_text() == text
