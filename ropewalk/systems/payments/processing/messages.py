"""What can be asked of ACH processing, and what it answers: msgspec structs, told apart by their tag.

A command, a query or an answer is one byte, `ACH`, and then the struct as MessagePack; other first bytes are the
ledger's. `encode_command`, `encode_query` and `decode_reply`, `decode_answer` are for edges.

Checked by: tests/payments/processing/test_machine.py
"""

from collections.abc import Sequence
from typing import Final, TypeAlias, cast

import msgspec

from ropewalk.systems.payments.coding import Coding

ACH: Final = b"\xac"
"""The first byte of everything here."""


class Command(msgspec.Struct, frozen=True, tag=True, tag_field="command"):
    """Changes something."""


class OpenInstitution(Command, frozen=True):
    """Open a bank with its settlement, clearing and suspense account."""

    routing: str
    name: str
    account_digits: int = 0


class NewAccount(msgspec.Struct, frozen=True):
    """`kind`: checking, savings, general_ledger or loan. Without `overdraft` it never pays more than it has."""

    routing: str
    number: str
    name: str = ""
    kind: str = "checking"
    is_corporate: bool = False
    overdraft: bool = False


class OpenAccounts(Command, frozen=True):
    """Open accounts: all of them, or none and why."""

    accounts: Sequence[NewAccount]


class OpenOriginator(Command, frozen=True):
    """Let an institution send files for a company, whose money moves on `account_number` there."""

    routing: str
    company_id: str
    name: str
    account_number: str


class RestrictAccount(Command, frozen=True):
    """Set what keeps entries from an account: none, closed, frozen, non_transaction, holder_deceased,
    payee_deceased, payments_stopped, debits_not_authorized, credits_refused or sold."""

    routing: str
    number: str
    restriction: str


class SendPart(Command, frozen=True):
    """Send one part of a file too large for one command; `upload` is the checksum of the whole."""

    upload: bytes
    part: int
    content: bytes


class SubmitFile(Command, frozen=True):
    """Submit a file: its content, or the parts that were sent before."""

    content: bytes = b""
    upload: bytes = b""
    parts: int = 0


class RunWindow(Command, frozen=True, omit_defaults=True):
    """Settle by hand, now, what is due by `through_ns`; 0 means the next window in which anything is due.

    Where there are several shards `known` is the first window that takes all of it, if it goes so far: the one that
    is open, or one that is not yet. Without it a new one is lined up.
    """

    through_ns: int = 0
    known: int | None = None


AnyCommand: TypeAlias = (
    OpenInstitution | OpenAccounts | OpenOriginator | RestrictAccount | SendPart | SubmitFile | RunWindow
)


class Reply(msgspec.Struct, frozen=True, tag=True, tag_field="reply"):
    """What became of a command."""


class Done(Reply, frozen=True):
    """It is so; and it was so before, if `repeated`."""

    repeated: bool = False


class Refused(Reply, frozen=True):
    """Nothing changed. `reason` is a word for programs, `detail` a sentence for people."""

    reason: str
    detail: str


class FileError(msgspec.Struct, frozen=True):
    """One thing that is wrong with a file."""

    line: int
    record: str
    field: str
    code: str
    message: str


class FileRefused(Reply, frozen=True):
    """Nothing changed: the file is not what the rules ask. At most the first hundred of its errors are listed."""

    reason: str
    errors: Sequence[FileError]
    errors_total: int


class FileAccepted(Reply, frozen=True):
    """Every entry of the file will be posted, returned or rejected.

    A file is kept where the institutions of its batches are. If that is in several shards, it has a number in each:
    `file`, and `parts` of the others.
    """

    file: int
    batches: int
    entries: int
    debit_cents: int
    credit_cents: int
    repeated: bool = False
    parts: tuple[int, ...] = ()


class FileUndecided(Reply, frozen=True):
    """Other shards are asked whether they take their batches of the file: `GetSubmission` says what came of it."""

    checksum: bytes
    repeated: bool = False


class WindowStarted(Reply, frozen=True):
    """The window runs; it has closed when `GetWindow` says so."""

    window: int


AnyReply: TypeAlias = Done | Refused | FileRefused | FileAccepted | FileUndecided | WindowStarted


class Query(msgspec.Struct, frozen=True, tag=True, tag_field="query"):
    """Asks something."""


class ListInstitutions(Query, frozen=True):
    """Institutions behind `after`, the number of one, by number."""

    after: int = -1
    limit: int = 100


class ListAccounts(Query, frozen=True):
    """Accounts behind `after`, by number."""

    after: int = -1
    limit: int = 100


class GetAccount(Query, frozen=True):
    """One account and its balances."""

    routing: str
    number: str


class ListOriginators(Query, frozen=True):
    """Originators behind `after`, by number."""

    after: int = -1
    limit: int = 100


class ListFiles(Query, frozen=True):
    """Files behind `after`, by number."""

    after: int = -1
    limit: int = 100


class GetFile(Query, frozen=True):
    """One file, and how many entries and cents are in each state."""

    file: int


class GetSubmission(Query, frozen=True):
    """What was answered, or will be, to the last file of these bytes: a `FileAccepted`, `FileRefused` or
    `FileUndecided`."""

    checksum: bytes


class ListEntries(Query, frozen=True):
    """Entries of a file behind row `after`; only those in `state`, if one is named."""

    file: int
    after: int = -1
    limit: int = 100
    state: str = ""


class ListWindows(Query, frozen=True):
    """Windows behind `after`, by number."""

    after: int = -1
    limit: int = 100


class GetWindow(Query, frozen=True):
    """One window with each institution's net position."""

    window: int


class ListReturnFiles(Query, frozen=True):
    """The files of returns, and of answers to them, that a window made."""

    window: int


class GetReturnFile(Query, frozen=True):
    """One of them, as bytes."""

    window: int
    routing: str
    part: int = 0


class ListNotices(Query, frozen=True):
    """Notifications of change behind `after`, by number."""

    after: int = -1
    limit: int = 100


class GetStatement(Query, frozen=True):
    """What moved on an account behind the ledger timestamp `after`, oldest first."""

    routing: str
    number: str
    after: int = 0
    limit: int = 100


class GetTrialBalance(Query, frozen=True):
    """All debits and all credits, by what the accounts are for."""


class GetProgress(Query, frozen=True):
    """What is still to do, and when it is due."""


AnyQuery: TypeAlias = (
    ListInstitutions
    | ListAccounts
    | GetAccount
    | ListOriginators
    | ListFiles
    | GetFile
    | GetSubmission
    | ListEntries
    | ListWindows
    | GetWindow
    | ListReturnFiles
    | GetReturnFile
    | ListNotices
    | GetStatement
    | GetTrialBalance
    | GetProgress
)

_COMMANDS: Final = Coding[AnyCommand](ACH, AnyCommand, name="an ACH command")
_QUERIES: Final = Coding[AnyQuery](ACH, AnyQuery, name="an ACH query")

encode_command: Final = _COMMANDS.encode
decode_command: Final = _COMMANDS.decode
encode_query: Final = _QUERIES.encode
decode_query: Final = _QUERIES.decode
decode_reply: Final = msgspec.msgpack.Decoder(cast("type[AnyReply]", AnyReply)).decode
