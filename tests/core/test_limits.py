"""Every limit says why it is what it is, and limits that contradict each other do not load."""

import ast
from itertools import pairwise
from pathlib import Path

import pytest

from ropewalk.core import limits
from ropewalk.errors import Bug

SOURCE = Path(limits.__file__).read_text()


def test_every_limit_is_followed_by_its_reason() -> None:
    body = ast.parse(SOURCE).body
    without = [
        ast.unparse(node)
        for node, following in pairwise(body)
        if isinstance(node, ast.AnnAssign) and not isinstance(getattr(following, "value", None), ast.Constant)
    ]
    assert without == []


@pytest.mark.parametrize(
    ("name", "value", "claim"),
    [
        ("COMMAND_BYTES_MAX", 100_000_000, "a batch holds the largest command"),
        ("QUEUE_BYTES_MAX", 1_000, "a queue holds a batch"),
        ("QUEUE_REQUESTS_MAX", 10, "a queue holds a batch of requests"),
        ("SESSION_REQUESTS", 10, "a request repeated in the next batch is remembered"),
        ("SNAPSHOTS_KEPT", 1, "there is a snapshot to fall back to"),
    ],
)
def test_limits_that_contradict_each_other_do_not_load(name: str, value: int, claim: str) -> None:
    lines = [f"{name}: Final = {value}" if line.startswith(f"{name}:") else line for line in SOURCE.splitlines()]
    if name == "COMMAND_BYTES_MAX":
        lines = [line.replace("2 * COMMAND_BYTES_MAX", "2_000_000") for line in lines]
    with pytest.raises(Bug, match=claim):
        exec("\n".join(lines), {})
