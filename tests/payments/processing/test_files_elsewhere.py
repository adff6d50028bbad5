"""Files with batches of institutions of several shards: all of these take theirs in, or none does."""

from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk.core.codec import checksum
from ropewalk.errors import Bug, Rejected
from ropewalk.systems.payments.processing import files_elsewhere
from ropewalk.systems.payments.processing.elsewhere import FileDecided, TakePart
from ropewalk.systems.payments.processing.files_elsewhere import hear_decided, hear_part
from ropewalk.systems.payments.processing.limits import REFUSALS_KEPT, UPLOADS_MAX
from ropewalk.systems.payments.processing.messages import (
    FileAccepted,
    FileRefused,
    FileUndecided,
    GetSubmission,
    ListEntries,
    ListFiles,
    NewAccount,
    OpenAccounts,
    OpenInstitution,
    OpenOriginator,
    Refused,
    RunWindow,
    SubmitFile,
    decode_reply,
    encode_query,
)
from ropewalk.systems.payments.processing.views import EntryView, FileView
from tests.payments.processing.branches import Branches
from tests.payments.processing.town import CAPSTAN, HARBOR, MEADOW, batch_of, file_of, snapshot, sweep, unneeded

BANKS = (HARBOR, MEADOW, CAPSTAN)
SHARDS = 4
"""In which each of the banks is in a shard of its own, and one is left."""


def opened(*, seed: int = 1, dies: float = 0.0) -> Branches:
    town = Branches(SHARDS, seed=seed, dies=dies)
    for bank in BANKS:
        town.do(OpenInstitution(bank, bank))
        town.do(OpenAccounts([NewAccount(bank, "1", overdraft=True)]))
        town.do(OpenOriginator(bank, "1", "ROPE WORKS", "1"))
    return town


def a_file(*banks: str, company: str = "1", entries: int = 1, cents: int = 5, modifier: str = "A") -> bytes:
    """A file with a batch of each bank, that pays the next one."""
    batches = []
    for bank in banks:
        batch = batch_of("PPD", odfi=bank, company=company if bank == banks[-1] else "1")
        for _ in range(entries):
            batch.add(
                transaction_code=22, routing_number=BANKS[BANKS.index(bank) - 1], account="1", amount_cents=cents,
                individual_name="A",
            )  # fmt: skip
        batches.append(batch)
    return file_of(*batches, origin=banks[0], modifier=modifier)


def some_file(random: Random) -> bytes:
    """One of one to three banks under one of two names, by a company that the last bank may not know."""
    banks = random.sample(BANKS, random.randint(1, 3))
    content = a_file(*banks, company=random.choice("112"), cents=random.randint(1, 9), modifier=random.choice("AB"))
    return content.replace(banks[0].encode(), BANKS[0].encode(), 1)


def home_of(town: Branches, content: bytes) -> int:
    """The shard of its first batch."""
    return town._shard_of_eight(content.decode()[95 + 79 : 95 + 87])


def deliver_some(town: Branches, random: Random) -> None:
    """Some of what one shard has sent to another, if there is any."""
    lanes = [(shard, name) for shard in town.shards for name in shard.mailbox.receivers()]
    if lanes:
        town._deliver(*random.choice(lanes))


def kept(town: Branches) -> list[FileView]:
    """What each shard has of files."""
    shards = range(len(town.shards))
    return [
        each
        for shard in shards
        for each in msgspec.msgpack.decode(town._read(shard, ListFiles()), type=list[FileView])
    ]


def is_forgotten(town: Branches) -> bool:
    """Whether no shard has anything of a file that is not taken in."""
    states = [shard.machine.processing.state for shard in town.shards]
    return not any(each.divided.asked or each.divided.held or each.divided.contents.blobs() for each in states)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.sampled_from((0.0, 0.1)), st.permutations(BANKS))
def test_each_shard_takes_its_batches_in_whatever_dies(seed: int, dies: float, banks: list[str]) -> None:
    town = opened(seed=seed, dies=dies)
    content = a_file(*banks, entries=2)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(files_elsewhere, "PART_BYTES_MAX", 400)
        told = town.do(SubmitFile(content))
    assert isinstance(told, FileAccepted)
    assert (told.batches, told.entries, told.credit_cents, told.repeated) == (3, 6, 30, False)
    assert is_forgotten(town)
    files = kept(town)
    assert [(file.batches, file.entries, file.credit_cents) for file in files] == [(1, 2, 10)] * 3
    home = town._shard(banks[0])
    numbers = {file.file % SHARDS: file.file for file in files}
    others = tuple(sorted(number for shard, number in numbers.items() if shard != home))
    assert {file.file: file.parts for file in files} == {
        number: others if shard == home else (numbers[home],) for shard, number in numbers.items()
    }
    assert town.do(SubmitFile(content)) == msgspec.structs.replace(told, repeated=True)
    town.do(RunWindow())
    town.settle()
    for number in (told.file, *told.parts):
        entries = msgspec.msgpack.decode(town.ask(ListEntries(number)), type=list[EntryView])
        assert [(entry.row, entry.state) for entry in entries] == [(0, "posted"), (1, "posted")]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_files_of_few_names_that_meet_are_each_taken_whole_or_not_at_all(seed: int) -> None:
    random, town = Random(seed), opened(seed=seed)
    contents = [some_file(random) for _ in range(4)]
    swept: dict[int, list[str]] = {}
    for _ in range(60):
        content, shard = random.choice(contents), random.randrange(SHARDS)
        match random.randrange(8):
            case 0 | 1:
                town._told(random.choice((home_of(town, content), shard)), SubmitFile(content))
            case 2:
                town.shards[shard].crash()
            case 3:
                sweep(town.shards[shard].shelf, swept.get(shard, []))
                swept[shard] = unneeded(town.shards[shard].shelf, town.shards[shard].machine)
            case _:
                deliver_some(town, random)
    town.settle()
    assert is_forgotten(town)
    files = kept(town)
    names = [(file.file % SHARDS, file.modifier) for file in files]
    assert len({*names}) == len(names)
    for content in contents:
        numbers = {file.file: file.entries for file in files if file.checksum == checksum(content).hex()}
        assert sum(numbers.values()) in (0, content.count(b"\n622"))
        if numbers:
            told = decode_reply(town._read(home_of(town, content), GetSubmission(checksum(content))))
            assert isinstance(told, FileAccepted)
            assert {told.file, *told.parts} == {*numbers}


def test_an_entry_of_a_later_batch_is_told_with_its_line_and_trace() -> None:
    town = opened()
    told = town.do(SubmitFile(a_file(HARBOR, MEADOW)))
    assert isinstance(told, FileAccepted)
    (entry,) = msgspec.msgpack.decode(town.ask(ListEntries(told.parts[0])), type=list[EntryView])
    assert entry.trace.startswith(MEADOW[:8])
    assert entry.rdfi == HARBOR


def test_batches_of_one_shard_need_not_lie_together() -> None:
    town = opened()
    town.do(OpenOriginator(HARBOR, "2", "SAIL LOFT", "1"))
    batches = [batch_of("PPD", odfi=odfi, company=by) for odfi, by in ((HARBOR, "1"), (MEADOW, "1"), (HARBOR, "2"))]
    for batch in batches:
        batch.add(transaction_code=22, routing_number=CAPSTAN, account="1", amount_cents=1, individual_name="A")
    told = town.do(SubmitFile(file_of(*batches, origin=HARBOR)))
    assert isinstance(told, FileAccepted)
    entries = msgspec.msgpack.decode(town.ask(ListEntries(told.file)), type=list[EntryView])
    assert [(entry.row, entry.line, entry.company_id) for entry in entries] == [(0, 3, "1"), (1, 9, "2")]
    town.do(RunWindow())
    town.settle()
    entries = msgspec.msgpack.decode(town.ask(ListEntries(told.file)), type=list[EntryView])
    assert [entry.state for entry in entries] == ["posted"] * 2


@pytest.mark.parametrize("banks", [(HARBOR, MEADOW), (MEADOW, HARBOR, CAPSTAN)])
def test_what_one_shard_objects_to_none_takes_in_until_it_is_mended(banks: tuple[str, ...]) -> None:
    town = opened()
    content = a_file(*banks, company="2")
    for _ in range(2):
        refused = town.do(SubmitFile(content))
        assert isinstance(refused, FileRefused)
        assert (refused.reason, refused.errors_total) == ("unknown_party", 1)
        assert [(each.line, each.code) for each in refused.errors] == [(2 + 3 * len(banks[1:]), "unknown_originator")]
        assert is_forgotten(town)
        assert not kept(town)
    town.do(OpenOriginator(banks[-1], "2", "ROPE WORKS", "1"))
    assert isinstance(town.do(SubmitFile(content)), FileAccepted)


@pytest.mark.parametrize("seed", range(4))
def test_errors_of_all_shards_are_told_in_the_order_of_lines_as_many_as_may_be(seed: int) -> None:
    town = Branches(SHARDS, seed=seed)
    told = [(line, "unknown_institution") for line in (2, 5, 8)]
    for errors_max in (3, 2):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(files_elsewhere, "ERRORS_TOLD_MAX", errors_max)
            refused = town.do(SubmitFile(a_file(*BANKS)))
        assert isinstance(refused, FileRefused)
        assert [(each.line, each.code) for each in refused.errors] == told[:errors_max]
        assert refused.errors_total == 3


def test_a_file_waits_for_a_shard_that_is_away_and_keeps_its_name() -> None:
    town = opened()
    home = town._shard(HARBOR)
    content = a_file(HARBOR, MEADOW)
    name = checksum(content)
    assert town._told(home, SubmitFile(content)) == FileUndecided(name)
    assert town._told(home, SubmitFile(content)) == FileUndecided(name, repeated=True)
    other = town._told(home, SubmitFile(a_file(HARBOR, cents=6)))
    assert isinstance(other, Refused)
    assert other.reason == "other_bytes"
    assert decode_reply(town._read(home, GetSubmission(name))) == FileUndecided(name)
    town.settle()
    assert isinstance(decode_reply(town._read(home, GetSubmission(name))), FileAccepted)


def test_a_shard_that_has_nothing_against_a_file_keeps_its_name_and_parts_until_it_is_decided() -> None:
    town = opened()
    home, there = (town._shard(bank) for bank in (HARBOR, MEADOW))
    content = a_file(HARBOR, MEADOW)
    assert isinstance(town._told(home, SubmitFile(content)), FileUndecided)
    town._deliver(town.shards[home], town.shards[there].place.log_name)
    shard = town.shards[there]
    with snapshot(shard.shelf, shard.machine):
        shard.crash()
    assert town._told(there, SubmitFile(content)) == FileUndecided(checksum(content), repeated=True)
    own = a_file(MEADOW).replace(a_file(MEADOW)[:94], content[:94])
    refused = town._told(there, SubmitFile(own))
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.detail[:27]) == ("other_bytes", "one that is being taken in ")
    of_other_home = a_file(CAPSTAN, MEADOW)
    objected = town.do(SubmitFile(of_other_home.replace(of_other_home[:94], content[:94])))
    assert isinstance(objected, FileRefused)
    assert objected.reason == "other_bytes"
    assert [(file.batches, file.entries) for file in kept(town)] == [(1, 1)] * 2
    assert is_forgotten(town)


def test_two_files_of_one_name_that_cross_are_not_both_taken() -> None:
    for seed in range(10):
        town = opened(seed=seed)
        one, other = a_file(HARBOR, MEADOW), a_file(MEADOW, HARBOR)
        other = other.replace(other[:94], one[:94])
        for content, bank in ((one, HARBOR), (other, MEADOW)):
            assert isinstance(town._told(town._shard(bank), SubmitFile(content)), FileUndecided)
        town.settle()
        answers = [
            decode_reply(town._read(town._shard(bank), GetSubmission(checksum(content))))
            for content, bank in ((one, HARBOR), (other, MEADOW))
        ]
        refused = [each for each in answers if isinstance(each, FileRefused)]
        assert refused
        assert {each.reason for each in refused} == {"other_bytes"}
        assert len(kept(town)) == 2 * (2 - len(refused))
        assert is_forgotten(town)


def test_so_many_files_may_wait_for_other_shards() -> None:
    town = opened()
    home = town._shard(HARBOR)
    for modifier in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[:UPLOADS_MAX]:
        assert isinstance(town._told(home, SubmitFile(a_file(HARBOR, MEADOW, modifier=modifier))), FileUndecided)
    last = SubmitFile(a_file(HARBOR, MEADOW, modifier="Z"))
    refused = town._told(home, last)
    assert isinstance(refused, Refused)
    assert refused.reason == "undecided"
    town.settle()
    assert isinstance(town._told(home, last), FileUndecided)


def test_no_more_of_files_waits_for_shards_that_are_away_than_leaves_room_in_the_outbox(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    part_bytes = 400
    monkeypatch.setattr(files_elsewhere, "PART_BYTES_MAX", part_bytes)
    monkeypatch.setattr(files_elsewhere, "ASKED_BYTES_MAX", 5 * part_bytes)
    town = opened()
    home = town._shard(HARBOR)
    to_two, to_one, last = (
        SubmitFile(a_file(HARBOR, *others, modifier=modifier))
        for others, modifier in (((MEADOW, CAPSTAN), "A"), ((MEADOW,), "B"), ((MEADOW, CAPSTAN), "C"))
    )
    assert all(len(each.content) > part_bytes for each in (to_two, to_one, last))
    for each in (to_two, to_one):
        assert isinstance(town._told(home, each), FileUndecided)
    assert town.shards[home].mailbox.waiting_bytes >= 3 * part_bytes
    assert isinstance(town._told(home, last), FileUndecided), "as much as may"
    refused = town._told(home, SubmitFile(a_file(HARBOR, MEADOW, modifier="D")))
    assert isinstance(refused, Refused)
    assert refused.reason == "undecided"
    assert refused.detail.startswith(f"3 files wait for other shards, with parts of {5 * part_bytes} bytes")
    town.settle()
    assert isinstance(town.do(SubmitFile(a_file(HARBOR, MEADOW, modifier="D"))), FileAccepted)
    monkeypatch.setattr(files_elsewhere, "ASKED_BYTES_MAX", part_bytes)
    assert isinstance(town.do(SubmitFile(a_file(HARBOR, MEADOW, CAPSTAN, modifier="E"))), FileAccepted), "alone"


def test_what_is_asked_again_while_a_snapshot_is_written_stays_on_the_shelf() -> None:
    town = opened()
    home = town.shards[town._shard(HARBOR)]
    content = a_file(HARBOR, MEADOW, company="2")
    assert isinstance(town.do(SubmitFile(content)), FileRefused)
    town.do(OpenOriginator(MEADOW, "2", "ROPE WORKS", "1"))
    with snapshot(home.shelf, home.machine):
        assert isinstance(town._told(town._shard(HARBOR), SubmitFile(content)), FileUndecided)
    town.settle()
    assert [file.entries for file in kept(town)] == [1, 1]
    assert is_forgotten(town)


def test_the_last_refusals_are_kept() -> None:
    town = opened()
    first, *others, last = [
        a_file(HARBOR, MEADOW, company="2", cents=cents + 1) for cents in range(REFUSALS_KEPT + 1)
    ]
    for content in (first, *others, first, last):
        assert isinstance(town.do(SubmitFile(content)), FileRefused)
    home = town.shards[town._shard(HARBOR)]
    home.crash()
    assert isinstance(decode_reply(home.machine.read(encode_query(GetSubmission(checksum(first))))), FileRefused)
    with pytest.raises(Rejected, match=r"no file with the checksum .* was taken: submit it again"):
        home.machine.read(encode_query(GetSubmission(checksum(others[0]))))


def test_a_shard_stops_if_it_is_told_to_take_in_what_it_can_not() -> None:
    town = opened()
    content = a_file(HARBOR, MEADOW, company="2")
    state = town.shards[town._shard(MEADOW)].machine.processing.state
    hear_part(state, town._shard(HARBOR), TakePart(checksum(content), 0, 1, content))
    with pytest.raises(Bug, match="what nothing was against can be taken in"):
        hear_decided(state, town._shard(HARBOR), FileDecided(checksum(content), 1, 0), time_ns=town.time_ns)
