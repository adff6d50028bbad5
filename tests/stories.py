"""Stories in text: blocks of lines that say what is done, `----`, and what is to be seen then.

Lines that begin with # are for the reader. `REWRITE=1 pytest` writes down what is seen now; review is the diff.
"""

import os
from collections.abc import Callable
from pathlib import Path

Run = Callable[[str], str]
"""Does what the lines of a block say, and tells what is to be seen."""


def stories_beside(test: str, folder: str = "stories") -> list[Path]:
    """The stories in a folder beside a test, which says `__file__`."""
    return sorted((Path(test).parent / folder).glob("*.txt"))


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
