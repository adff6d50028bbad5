"""Stories of ACH in text: blocks of lines, `----`, and what is to be seen. REWRITE=1 accepts what is seen now."""

import os
from pathlib import Path

import pytest

from tests.payments.processing.branches import Branches
from tests.payments.processing.story import Story

STORIES = sorted((Path(__file__).parent / "stories").glob("*.txt"))


def told(path: Path, town: Branches | None = None) -> str:
    """The story as it goes now."""
    story = Story(town)
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


@pytest.mark.parametrize(("shards", "dies"), [(2, 0.0), (3, 0.1), (5, 0.3)])
@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_a_story_goes_the_same_in_any_number_of_shards_that_die_now_and_then(
    path: Path, shards: int, dies: float
) -> None:
    now = told(path, Branches(shards, dies=dies))
    # What an institution of another shard is called there depends on where it is kept, and is no part of the story.
    assert now.replace("other_shard", "unknown_institution") == path.read_text()


def test_there_are_stories() -> None:
    assert len(STORIES) >= 8
