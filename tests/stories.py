"""Stories in text: blocks of lines that say what is done, `----`, and what is to be seen then.

Lines that begin with # are for the reader. `REWRITE=1 pytest` writes down what is seen now; review is the diff.
"""

import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

Run = Callable[[str], str]
"""Does what the lines of a block say, and tells what is to be seen."""


def stories_beside(test: str, folder: str = "stories") -> list[Path]:
    """The stories in a folder beside a test, which says `__file__`."""
    return sorted((Path(test).parent / folder).glob("*.txt"))


def asked_in(block: str) -> Iterator[tuple[str, list[str], dict[str, str]]]:
    """What each line of a block asks: a verb, its words, and its options, which are words with =."""
    for line in block.splitlines():
        verb, *words = shlex.split(line) or [""]
        if verb:
            plain = [word for word in words if "=" not in word]
            yield verb, plain, dict(word.split("=", 1) for word in words if "=" in word)


def done(block: str, verbs: Mapping[str, Callable[..., str]]) -> str:
    """What is to be seen when each line of a block is done."""
    seen = [verbs[verb](*words, **options) for verb, words, options in asked_in(block)]
    return "\n".join(each for each in seen if each)


def told(path: Path, run: Run) -> str:
    """The story as it goes now."""
    blocks = []
    for block in path.read_text().split("\n\n"):
        asked = block.split("\n----", 1)[0].strip("\n")
        commands = "\n".join(line for line in asked.splitlines() if not line.startswith("#"))
        blocks.append(f"{asked}\n----\n{run(commands)}".rstrip("\n") if commands else asked)
    return "\n\n".join(blocks) + "\n"


def check_story(path: Path, run: Run) -> None:
    """The story goes as it is written."""
    now = told(path, run)
    if os.environ.get("REWRITE"):
        path.write_text(now)
    assert now == path.read_text()
