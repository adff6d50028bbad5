"""Values of options: what is no time and no money is a wrong use, wherever it is given."""

import click
import pytest
from click.testing import CliRunner

from ropewalk.cli.main import main
from ropewalk.cli.values import as_cents
from tests.cli.walking import every_command

TIMED = [
    (words, param.opts[0])
    for words, command in every_command()
    for param in command.params
    if isinstance(param.type, (click.types.FloatParamType, click.FloatRange))
]


@pytest.mark.parametrize("given", ["nan", "inf", "-inf", "soon"])
@pytest.mark.parametrize(("words", "option"), TIMED)
def test_what_is_no_time_is_a_wrong_use_and_asks_nobody(words: str, option: str, given: str) -> None:
    done = CliRunner().invoke(main, [*words.split(), f"{option}={given}"])
    assert done.exit_code == 2
    assert f"Invalid value for '{option}'" in done.stderr


def test_these_options_are_times() -> None:
    assert {option for _, option in TIMED} == {"--ttl", "--wait", "--seconds"}


@pytest.mark.parametrize(
    ("given", "cents"), [("0", 0), ("12", 1_200), ("12.5", 1_250), ("12.50", 1_250), ("9999999999.99", 10**12 - 1)]
)
def test_money_is_written_in_dollars(given: str, cents: int) -> None:
    command = click.Command("pay", params=[click.Argument(["cents"], callback=as_cents)])
    with command.make_context("pay", [given]) as context:
        assert context.params == {"cents": cents}


WRONG = ["12.505", "12.500", "-1", "1,000", "nan", "1e3", "1e999999", "10000000000", "12.", ".5", "", "\u0661"]


@pytest.mark.parametrize("given", WRONG)
@pytest.mark.parametrize(
    "words",
    [
        "cards issue 1 2 3 --limit", "cards programme 1 2 --stand-in", "controls limit 1 2 --at-once",
        "controls limit 1 2 --a-day",
    ],
)  # fmt: skip
def test_what_is_no_amount_is_a_wrong_use_and_says_how_to_write_one(words: str, given: str) -> None:
    done = CliRunner().invoke(main, [*words.split(), given])
    assert done.exit_code == 2
    assert f"{given!r} is no amount: write dollars, like 12.50" in done.stderr
