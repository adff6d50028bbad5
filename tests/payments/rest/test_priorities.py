"""What is asked over HTTP matters more or less: settlement before what people ask, and that before imports."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from ropewalk.communication.admission import USUAL, Priority
from ropewalk.core.machine import Request
from ropewalk.runtime.calls import Answers
from ropewalk.systems.payments.iso20022 import samples
from ropewalk.systems.payments.service import payments
from tests.runtime.served import client_of

XML = "application/xml"
JSON = "application/json"


@pytest.mark.parametrize(
    ("path", "content", "media", "said", "priority"),
    [
        ("/windows", b"{}", JSON, {}, Priority.CRITICAL),
        ("/instant/messages", samples.credit_transfer(), XML, {}, Priority.CRITICAL),
        ("/ledger/accounts", b'[{"id": "1", "ledger": 1, "code": 1}]', JSON, {}, Priority.INTERACTIVE),
        ("/windows", b"{}", JSON, {"Ropewalk-Priority": "bulk"}, Priority.BULK),
    ],
)
def test_how_much_it_matters(
    path: str, content: bytes, media: str, said: dict[str, str], priority: Priority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> set[Priority]:
        seen: set[Priority] = set()
        async with client_of(payments) as (client, node):
            submit = node.submit

            async def watched(requests: Sequence[Request], *, priority: Priority = USUAL, **rest: Any) -> Answers:
                seen.add(priority)
                return await submit(requests, priority=priority, **rest)

            monkeypatch.setattr(node, "submit", watched)
            await client.post(path, content=content, headers={"content-type": media, **said})
        return seen

    assert asyncio.run(main()) == {priority}
