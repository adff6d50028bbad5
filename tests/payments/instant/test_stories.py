"""Stories of instant payments, in one shard and in two."""

from pathlib import Path

import pytest

from tests.payments.instant.desks import Apart
from tests.payments.instant.story import Story
from tests.stories import check_story, stories_beside, told

STORIES = stories_beside(__file__)


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_story(path: Path) -> None:
    check_story(path, Story().run)


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_a_story_goes_the_same_where_the_banks_are_kept_in_different_shards(path: Path) -> None:
    assert told(path, Story(Apart).run) == path.read_text()


def test_there_are_stories() -> None:
    assert len(STORIES) >= 6
