"""Every message that stories are answered with is valid by the published schemas, which lie beside the repository."""

from pathlib import Path

import msgspec
import pytest

from ropewalk.systems.payments.instant.messages import GetReturn, PaymentView, encode_query
from ropewalk.systems.payments.iso20022.model import Envelope, PaymentReturn
from ropewalk.systems.payments.iso20022.parsing import parse
from ropewalk.systems.payments.iso20022.reading import Parts, read_parts
from ropewalk.systems.payments.iso20022.schemas import Schemas, schemas_in
from ropewalk.systems.payments.iso20022.writing import write
from tests.payments.instant.story import Story, uetr
from tests.payments.shared import PAYMENTS

STORIES = sorted((Path(__file__).parent / "stories").glob("*.txt"))


@pytest.fixture(scope="module")
def schemas() -> Schemas:
    return schemas_in(PAYMENTS / "iso20022" / "xsd")


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_the_answers_of_a_story_are_valid(path: Path, schemas: Schemas) -> None:
    story = Story()
    for block in path.read_text().split("\n\n"):
        asked = block.split("\n----", 1)[0]
        story.run("\n".join(line for line in asked.splitlines() if not line.startswith("#")))
    assert len(story.answers) > 5
    for answer in story.answers:
        check(Envelope(answer), schemas)


def test_a_return_that_follows_a_recall_is_valid(schemas: Schemas) -> None:
    story = Story()
    story.run(
        "bank harbor\nbank meadow\naccount harbor/1000 cents=100\naccount meadow/2001\n"
        "policy meadow/2001 recalls=accept\npay a harbor/1000 meadow/2001 10\nrecall a"
    )
    view = msgspec.convert(story.view("a"), PaymentView)
    answer = story.town.machine.read(encode_query(GetReturn(uetr("a"), view.returns[0].number)))
    check(Envelope(msgspec.msgpack.decode(answer, type=PaymentReturn)), schemas)


def check(envelope: Envelope, schemas: Schemas) -> None:
    parts = Parts(parse(write(envelope)))
    schemas.check(parts)
    assert read_parts(parts).message == msgspec.convert(msgspec.to_builtins(envelope.message), type(envelope.message))
