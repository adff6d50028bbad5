"""The bounds of the coordination service, and its reasons in words."""

from typing import get_args

from ropewalk.coordination.recipes.limits import NAME_BYTES_MAX, VALUE_BYTES_MAX
from ropewalk.coordination.recipes.messages import Acquire, Reason, Refused, SetKey
from ropewalk.coordination.recipes.reasons import REASONS, explained
from ropewalk.core.codec import encode_value
from ropewalk.core.limits import COMMAND_BYTES_MAX


def test_the_largest_command_fits() -> None:
    name, value = "n" * NAME_BYTES_MAX, "v" * VALUE_BYTES_MAX
    assert len(encode_value(SetKey(name, value, 1, name, 1))) < COMMAND_BYTES_MAX
    assert len(encode_value(Acquire("election", name, name, 1, value=value))) < COMMAND_BYTES_MAX


def test_every_reason_is_explained() -> None:
    assert sorted(REASONS) == sorted(get_args(Reason))
    assert explained(Refused("version_differs", 7)).startswith("the key's version is 7, ")
    assert explained(Refused("value_differs", 7)).startswith("it is 7: ")
