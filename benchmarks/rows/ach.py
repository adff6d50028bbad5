"""ACH: a file of a million entries is validated, and then submitted to payments on SQLite until it is accepted.

The file is made in another process, so that the peak of memory is that of reading, validating and accepting it.
"""

import asyncio
import multiprocessing
import time
from pathlib import Path
from statistics import median

from benchmarks.environment import peak_mb
from benchmarks.measures import Measure, Result, Round, Setting
from ropewalk import open_engine, open_node
from ropewalk.core.codec import checksum
from ropewalk.core.machine import NO_ID, Request
from ropewalk.runtime.node import Node
from ropewalk.systems.payments.ach import samples
from ropewalk.systems.payments.ach.reading import read, write
from ropewalk.systems.payments.processing.limits import ACCOUNTS_OPENED_MAX, PART_BYTES_MAX
from ropewalk.systems.payments.processing.messages import (
    AnyCommand,
    AnyReply,
    Done,
    FileAccepted,
    NewAccount,
    OpenAccounts,
    OpenInstitution,
    OpenOriginator,
    SendPart,
    SubmitFile,
    decode_reply,
    encode_command,
)
from ropewalk.systems.payments.service import payments

_ENTRIES = 1_000_000
_ACCOUNTS = 10_000
_WARM_UP_ENTRIES = 1_000


def run(setting: Setting) -> Result:
    """Measure entries a second from the file on disk to its acceptance, and the peak of memory after the first."""
    _submitted(setting, "warm-up", entries=_WARM_UP_ENTRIES)
    entries = setting.scale.count(_ENTRIES)
    rounds = [_submitted(setting, "round 1", entries=entries)]
    peak = peak_mb()
    rounds += [
        _submitted(setting, f"round {number}", entries=entries) for number in range(2, setting.scale.rounds + 1)
    ]
    name = "ACH: validate and submit a file of 1,000,000 entries"
    validating, submitting = (median(each.call_seconds[step] for each in rounds) for step in (0, 1))
    return Result(
        [
            Measure(
                name,
                "entries/s",
                median(each.per_second for each in rounds),
                must=60_000,
                aim=200_000,
                details={"validate s": validating, "submit s": submitting},
            ),
            Measure(f"{name}, peak memory", "MB", peak, more_is_better=False, must=1_000),
        ]
    )


def _submitted(setting: Setting, name: str, *, entries: int) -> Round:
    path = setting.folder / f"{name}.ach"
    maker = multiprocessing.get_context("spawn").Process(target=_make, args=(path, entries))
    maker.start()
    maker.join()
    setting.tell(name)
    return asyncio.run(_validate_and_submit(path, setting.folder / name, entries))


def _make(path: Path, entries: int) -> None:
    path.write_bytes(write(samples.bulk(entries, accounts=_ACCOUNTS)))


async def _validate_and_submit(path: Path, folder: Path, entries: int) -> Round:
    """One round; its two calls are the validation and the submission."""
    async with open_node(payments, open_engine(f"sqlite:{folder}")) as node:
        await _open_parties(node)
        began = time.perf_counter()
        content = path.read_bytes()
        if not read(content).is_valid:
            raise AssertionError("the file is not valid")
        validated = time.perf_counter()
        reply = await _submit(node, content)
        ended = time.perf_counter()
        if not isinstance(reply, FileAccepted) or reply.entries != entries:
            raise AssertionError(f"not accepted: {reply}")
        return Round(entries, ended - began, [validated - began, ended - validated])


async def _submit(node: Node, content: bytes) -> AnyReply:
    """In parts, as every file is sent that is larger than a command."""
    upload = checksum(content)
    starts = range(0, len(content), PART_BYTES_MAX)
    for part, start in enumerate(starts):
        piece = content[start : start + PART_BYTES_MAX]
        _expect_done(await _do(node, SendPart(upload, part, piece)))
    return await _do(node, SubmitFile(upload=upload, parts=len(starts)))


async def _open_parties(node: Node) -> None:
    for bank in samples.INSTITUTIONS:
        _expect_done(await _do(node, OpenInstitution(bank.routing_number, bank.name)))
    accounts = [samples.BULK.account, *samples.bulk_accounts(_ACCOUNTS)]
    for start in range(0, len(accounts), ACCOUNTS_OPENED_MAX):
        opened = [
            NewAccount(each.routing_number, each.number, each.name, each.kind, each.is_corporate)
            for each in accounts[start : start + ACCOUNTS_OPENED_MAX]
        ]
        _expect_done(await _do(node, OpenAccounts(opened)))
    company = samples.BULK
    originator = OpenOriginator(
        company.account.routing_number, company.company_identification, company.name, company.account.number
    )
    _expect_done(await _do(node, originator))


async def _do(node: Node, command: AnyCommand) -> AnyReply:
    answers = await node.submit([Request(NO_ID, encode_command(command))])
    return decode_reply(answers.replies[0] or b"")


def _expect_done(reply: AnyReply) -> None:
    if not isinstance(reply, Done):
        raise AssertionError(f"not done: {reply}")
