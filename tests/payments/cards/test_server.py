"""Card messages over TCP: real sockets, many in flight, and bytes that are no messages."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import msgspec
import pytest

from ropewalk import open_engine, open_node
from ropewalk.core.limits import BATCH_REQUESTS_MAX
from ropewalk.errors import OutcomeUnknown, Rejected
from ropewalk.runtime.tasks import open_tasks
from ropewalk.systems.payments.cards.client import connected_cards
from ropewalk.systems.payments.cards.codec import Codec, Fields
from ropewalk.systems.payments.cards.commands import Answer, Origin, Reverse, encode_command
from ropewalk.systems.payments.cards.connection import Connection, Host
from ropewalk.systems.payments.cards.desk import Desk, Failure
from ropewalk.systems.payments.cards.framing import Frames, framed
from ropewalk.systems.payments.cards.issuers import Issuers
from ropewalk.systems.payments.cards.limits import IN_FLIGHT_MAX
from ropewalk.systems.payments.cards.reasons import Reason
from ropewalk.systems.payments.cards.server import Terms, serving_cards
from ropewalk.systems.payments.cards.specification import Encoding, Framing, load_specification
from tests.payments.cards.bank import KEY
from tests.payments.cards.served import card_port, management, message, naming, service

ASCII = load_specification("1987-ascii")
CODEC = Codec(ASCII)
FLOOD_BYTES = 16 * 1_048_576
"""More than the buffers of both sides take before the answers that nobody fetches hold everything up."""


@asynccontextmanager
async def wire(address: tuple[str, int]) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection for bytes of any kind, until the block ends. It reads nothing that is not asked for."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.connect(address)
    reader, writer = await asyncio.open_connection(sock=connection, limit=1)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def is_answered(address: tuple[str, int]) -> bool:
    """True if a new connection is taken and answered."""
    async with connected_cards(*address, ASCII) as client:
        try:
            return (await client.ask(management("301")))["39"] == "00"
        except OutcomeUnknown:
            return False


@pytest.mark.parametrize("name", ["1987-ascii", "1987-bcd", "1987-ebcdic"])
def test_an_authorisation_is_held_completed_and_reversed_in_any_specification(name: str) -> None:
    async def main() -> list[str]:
        async with (
            card_port(specification=name) as (_, address),
            connected_cards(*address, load_specification(name)) as client,
        ):
            hold = message("0100", 0, 900_00)
            asked = [
                hold, message("0100", 0, 200_00), {**hold, "t": "0101"},
                completion := message("0220", 0, 850_00, f90=naming(hold)),
                message("0420", 0, 850_00, f90=naming(completion)), message("0200", 0, 999_00),
            ]  # fmt: skip
            answers = [await client.ask(each) for each in asked]
            assert [each["t"] for each in answers] == ["0110", "0110", "0110", "0230", "0430", "0210"]
            assert answers[0] == answers[2]
            assert answers[0]["2"] == hold["2"]
            return [each["39"] for each in answers]

    assert asyncio.run(main()) == ["00", "51", "00", "00", "00", "00"]


def test_many_connections_have_many_in_flight_and_each_gets_its_own_answers() -> None:
    async def connection(address: tuple[str, int], card: int) -> list[tuple[str, str]]:
        async with connected_cards(*address, ASCII) as client, asyncio.TaskGroup() as tasks:
            sent = [message("0200", card, 10_00) for _ in range(20)]
            asked = [tasks.create_task(client.ask(each)) for each in sent]
            answers = [await each for each in asked]
            assert [each["11"] for each in answers] == [each["11"] for each in sent]
            return [(each["2"], each["39"]) for each in answers]

    async def main() -> list[list[tuple[str, str]]]:
        async with card_port(cards=8) as (_, address), asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(connection(address, card)) for card in range(8)]
            return [await each for each in running]

    for card, answers in enumerate(asyncio.run(main())):
        assert answers == [(message("0100", card)["2"], "00")] * 20


def test_a_connection_that_asks_more_than_may_be_in_flight_is_answered_all_the_same() -> None:
    async def main() -> int:
        async with (
            card_port() as (_, address),
            connected_cards(*address, ASCII) as client,
            asyncio.TaskGroup() as tasks,
        ):
            asked = [tasks.create_task(client.ask(message("0100", 0, 1))) for _ in range(3 * IN_FLIGHT_MAX)]
            return sum([(await each)["39"] == "00" for each in asked])

    assert asyncio.run(main()) == 3 * IN_FLIGHT_MAX


def test_what_can_not_be_read_is_a_format_error_and_the_connection_goes_on() -> None:
    async def main() -> None:
        async with card_port() as (_, address), wire(address) as (reader, writer):
            frames = Frames(ASCII.framing)
            whole = CODEC.pack(message("0100", 0, 1))
            broken = [whole[:-4], b"0100ZZZZZZZZZZZZZZZZ", b"\xff\xfe\xfd\xfc", whole + b"0", b"01X0" + whole[4:]]
            writer.writelines(framed(each, ASCII.framing) for each in [*broken, whole])
            answers: list[Fields] = []
            while len(answers) < 6:
                answers += [CODEC.unpack(each) for each in frames.feed(await reader.read(65_536))]
            by_code = sorted((each["39"], each["t"]) for each in answers)
            assert by_code == [("00", "0110"), *[("30", "0110")] * 3, *[("30", "0810")] * 2]

    asyncio.run(main())


def test_a_length_that_can_not_be_ends_its_connection_and_no_other() -> None:
    async def main() -> None:
        async with (
            card_port() as (_, address),
            connected_cards(*address, ASCII) as other,
            wire(address) as (reader, writer),
        ):
            whole = framed(CODEC.pack(message("0100", 0, 1)), ASCII.framing)
            writer.write(whole + b"\xff\xff" + bytes(64))
            answers = [CODEC.unpack(each) for each in Frames(ASCII.framing).feed(await reader.read())]
            assert sorted((each["t"], each["39"]) for each in answers) == [("0110", "00"), ("0810", "30")]
            assert (await other.ask(message("0100", 0, 1)))["39"] == "00"

    asyncio.run(main())


def test_connections_sign_on_and_off_and_are_told_that_we_are_here() -> None:
    async def main() -> list[str]:
        async with card_port() as (_, address), connected_cards(*address, ASCII) as client:
            asked = [
                management("301"), management("001"), message("0100", 0, 1), management("002"), message("0100", 0, 1),
                management("301"), management("999"), management("001"), message("0100", 0, 1), message("0300", 0),
            ]  # fmt: skip
            return [(await client.ask(each))["39"] for each in asked]

    assert asyncio.run(main()) == ["00", "00", "00", "00", "58", "00", "40", "00", "00", "40"]


def test_who_does_not_fetch_answers_is_read_no_further_and_others_go_on() -> None:
    async def main() -> None:
        async with (
            card_port() as (_, address),
            connected_cards(*address, ASCII) as other,
            wire(address) as (_, writer),
        ):
            echo = framed(CODEC.pack(management("301")), ASCII.framing)
            writer.transport.set_write_buffer_limits(high=0)
            writer.write(echo * (FLOOD_BYTES // len(echo)))
            left, before = writer.transport.get_write_buffer_size(), 0
            while left != before:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(writer.drain(), 0.5)
                left, before = writer.transport.get_write_buffer_size(), left
            assert left > 0
            assert (await other.ask(message("0100", 0, 1)))["39"] == "00"
            writer.transport.abort()

    asyncio.run(main())


def test_a_connection_that_says_nothing_is_closed() -> None:
    async def main() -> None:
        async with card_port(idle_s=0.05) as (_, address), wire(address) as (reader, _):
            assert await reader.read() == b""

    asyncio.run(main())


def test_who_fetches_no_answers_for_too_long_is_cut_off() -> None:
    async def main() -> None:
        async with card_port(idle_s=0.3, connections_max=1) as (_, address), wire(address) as (_, writer):
            echo = framed(CODEC.pack(management("301")), ASCII.framing)
            writer.write(echo * (FLOOD_BYTES // len(echo)))
            try:
                with pytest.raises(ConnectionError):
                    await asyncio.wait_for(writer.drain(), 10)
            finally:
                writer.transport.abort()
            while not await is_answered(address):
                await asyncio.sleep(0)

    asyncio.run(main())


class Counted:
    """An owner that counts what its one connection answers."""

    def __init__(self) -> None:
        self.answers = 0

    def opened(self, _: Connection) -> bool:
        return True

    def closed(self, _: Connection) -> None:
        """There is nobody to tell."""

    def answered(self, *_: str) -> None:
        self.answers += 1


class Written(asyncio.Transport):
    """A transport whose other side fetches everything."""

    def is_closing(self) -> bool:
        return False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """It is never full."""

    def write(self, _: object) -> None:
        """It is fetched."""

    def pause_reading(self) -> None:
        """Nothing comes by itself."""

    resume_reading = pause_reading


@asynccontextmanager
async def connection() -> AsyncIterator[tuple[Connection, Counted]]:
    """A connection without a socket, on which nothing is asked that an issuer answers."""
    async with card_port() as (node, _), open_tasks() as tasks:
        owner = Counted()
        one = Connection(Host(CODEC, KEY, Issuers(node, tasks=tasks), is_tracing=False), owner)
        one.connection_made(Written())
        yield one, owner


def test_a_flood_has_no_more_than_its_share_of_a_turn() -> None:
    async def main() -> None:
        async with connection() as (one, owner):
            one.data_received(framed(b"none", ASCII.framing) * 10 * IN_FLIGHT_MAX)
            assert owner.answers == IN_FLIGHT_MAX
            while owner.answers < 10 * IN_FLIGHT_MAX:
                before = owner.answers
                await asyncio.sleep(0)
                assert before < owner.answers <= before + IN_FLIGHT_MAX

    asyncio.run(main())


def test_only_whole_messages_keep_a_connection_open() -> None:
    async def main() -> None:
        async with connection() as (one, _):
            echo, before = framed(CODEC.pack(management("301")), ASCII.framing), one.heard_at_s
            for place in range(len(echo) - 1):
                one.data_received(echo[place : place + 1])
            assert one.heard_at_s == before
            one.data_received(echo[-1:])
            assert one.heard_at_s > before

    asyncio.run(main())


def test_an_answer_that_fits_no_message_is_a_short_one_and_everybody_is_served_on() -> None:
    short = msgspec.structs.replace(ASCII, framing=Framing(Encoding.ASCII, 2))

    async def main() -> None:
        async with card_port() as (node, _), serving_cards(node, Terms(KEY, short), port=0) as address:
            asked = Codec(short).pack(message("0100", 0, 1, f37="000000000001"))
            async with wire(address) as (reader, writer):
                writer.write(framed(asked, short.framing))
                answer = (await reader.readexactly(2 + 22))[2:]
                assert Codec(short).unpack(answer)["39"] == "00"
            async with connected_cards(*address, short) as client:
                assert (await client.ask(management("301")))["39"] == "00"

    asyncio.run(main())


def test_more_messages_than_fit_one_record_are_answered_all_the_same() -> None:
    async def main() -> None:
        async with card_port() as (node, _), open_tasks() as tasks:
            desk = Desk(node, 0, tasks=tasks, deadline_s=30.0)
            answers: list[Answer | Failure] = []
            asked = encode_command(Reverse(Origin("17", "1125120000", "000001"), bytes(16), "", 1, "840"))
            for _ in range(BATCH_REQUESTS_MAX + 1):
                desk.ask(asked, answers.append)
            while len(answers) <= BATCH_REQUESTS_MAX:
                await asyncio.sleep(0)
        assert answers == [Answer(Reason.NO_ISSUER)] * (BATCH_REQUESTS_MAX + 1)

    asyncio.run(main())


def test_a_connection_too_many_is_closed_and_there_is_room_again_when_one_goes() -> None:
    async def main() -> None:
        async with card_port(connections_max=1) as (_, address):
            async with connected_cards(*address, ASCII) as first:
                assert (await first.ask(management("301")))["39"] == "00"
                async with wire(address) as (reader, _):
                    assert await reader.read() == b""
            while not await is_answered(address):
                await asyncio.sleep(0)

    asyncio.run(main())


def test_a_stop_answers_what_was_read() -> None:
    async def main() -> list[str]:
        async with AsyncExitStack() as client_lives_on, asyncio.TaskGroup() as tasks:
            async with card_port() as (node, address):
                client = await client_lives_on.enter_async_context(connected_cards(*address, ASCII))
                asked = [tasks.create_task(client.ask(message("0100", 0, 1))) for _ in range(100)]
                while not node.leaders[0].waiting and not asked[0].done():
                    await asyncio.sleep(0)
            return [(await each)["39"] for each in asked]

    assert asyncio.run(main()) == ["00"] * 100


def test_a_port_that_is_taken_is_told_with_its_number() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            async with open_node(service(), open_engine("memory:")) as node:
                with pytest.raises(Rejected, match=rf"port {port} \(another program does\): choose another port"):
                    await serving_cards(node, Terms(KEY, ASCII), port=port).__aenter__()

    asyncio.run(main())
