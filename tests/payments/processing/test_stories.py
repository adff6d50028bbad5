"""Stories of ACH, in one shard and in several."""

from pathlib import Path

import pytest

from tests.payments.processing.branches import Branches
from tests.payments.processing.story import Story
from tests.stories import check_story, stories_beside, told

STORIES = stories_beside(__file__)


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_story(path: Path) -> None:
    check_story(path, Story().run)


@pytest.mark.parametrize(("shards", "dies"), [(2, 0.0), (3, 0.1), (5, 0.3)])
@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_a_story_goes_the_same_in_any_number_of_shards_that_die_now_and_then(
    path: Path, shards: int, dies: float
) -> None:
    now = told(path, Story(Branches(shards, dies=dies)).run)
    assert now == path.read_text()


def test_there_are_stories() -> None:
    assert len(STORIES) >= 8
