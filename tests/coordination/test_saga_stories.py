"""Stories of sagas: blocks of lines, `----`, and what is to be seen. REWRITE=1 accepts it."""

import os
from pathlib import Path

import pytest

from tests.coordination.saga_story import Story

STORIES = sorted((Path(__file__).parent / "saga_stories").glob("*.txt"))


def told(path: Path) -> str:
    """The story as it goes now."""
    story = Story()
    blocks = []
    for block in path.read_text().split("\n\n"):
        asked = block.split("\n----", 1)[0].strip("\n")
        commands = "\n".join(line for line in asked.splitlines() if not line.startswith("#"))
        seen = story.run(commands)
        blocks.append(f"{asked}\n----\n{seen}".rstrip("\n") if commands else asked)
    return "\n\n".join(blocks) + "\n"


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_story(path: Path) -> None:
    now = told(path)
    if os.environ.get("REWRITE"):
        path.write_text(now)
    assert now == path.read_text()


def test_there_are_stories() -> None:
    assert len(STORIES) >= 5
