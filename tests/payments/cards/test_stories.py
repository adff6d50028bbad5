"""Stories of card messages."""

from pathlib import Path

import pytest

from tests.payments.cards.story import Story
from tests.stories import check_story, stories_beside

STORIES = stories_beside(__file__)


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_story(path: Path) -> None:
    check_story(path, Story().run)


def test_there_are_stories() -> None:
    assert len(STORIES) >= 6
