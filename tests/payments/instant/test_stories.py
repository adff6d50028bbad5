"""Stories of instant payments: blocks of lines, `----`, and what is seen. REWRITE=1 accepts what is seen now."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.payments.instant.desks import Apart, Desk, Together
from tests.payments.instant.story import Story

STORIES = sorted((Path(__file__).parent / "stories").glob("*.txt"))


def told(path: Path, opened: Callable[[int], Desk] = Together) -> str:
    """The story as it goes now."""
    story = Story(opened)
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


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_a_story_goes_the_same_where_the_banks_are_kept_in_different_shards(path: Path) -> None:
    assert told(path, Apart) == path.read_text()


def test_there_are_stories() -> None:
    assert len(STORIES) >= 6
