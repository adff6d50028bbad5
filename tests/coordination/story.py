"""What the stories in `stories/` can say: one verb a line, options as name=value."""

from collections.abc import Callable

from ropewalk.coordination.recipes import messages
from ropewalk.coordination.recipes.limits import NUMBERS_PER_RECORD
from ropewalk.coordination.recipes.messages import (
    Acquire,
    Add,
    Alive,
    Busy,
    Claims,
    Command,
    Counted,
    DeleteKey,
    EndSession,
    GetClaims,
    GetSession,
    Held,
    KeepAlive,
    Kept,
    Key,
    Kind,
    ListKeys,
    OpenSession,
    Refused,
    Release,
    SessionState,
    SetCounter,
    SetKey,
    Waiting,
)
from tests.coordination.room import Room
from tests.stories import asked_in

TTL_MS = 1_000
BASE = NUMBERS_PER_RECORD
"""What the first record's numbers begin behind; stories count from 1."""

_KINDS: dict[str, Kind] = {"lock": "lock", "semaphore": "semaphore", "election": "election"}


class Story:
    """A room, and who comes into it."""

    def __init__(self) -> None:
        self.room = Room()
        self._verbs: dict[str, Callable[..., str]] = {
            "acquire": self._acquire,
            "wait": lambda *words, **options: self._acquire(*words, waits="yes", **options),
            "release": lambda who, kind, name: self._do(Release(name, who, _KINDS[kind])),
            "open": lambda who, space, ttl="1000": self._do(OpenSession(space, who, int(ttl))),
            "keep-alive": lambda who, space: self._do(KeepAlive(space, who)),
            "end": lambda who, space: self._do(EndSession(space, who)),
            "later": self._later,
            "who": self._who,
            "session": self._session,
            "add": lambda name, amount="1": self._do(Add(name, int(amount))),
            "set-counter": lambda name, value, expected="": self._do(SetCounter(name, int(value), _number(expected))),
            "set": self._set,
            "delete": lambda name, version="": self._do(DeleteKey(name, _version(version))),
            "list": self._list,
        }

    def run(self, block: str) -> str:
        """Do what each line says; return what there is to see."""
        told = []
        for verb, words, options in asked_in(block):
            told.append(self._verbs[verb](*words, **options))
            told += [f"  {kind} {subject} {_data(data)}".rstrip() for kind, subject, data in self.room.told()]
        return "\n".join(each for each in told if each)

    def _do(self, command: Command) -> str:
        match self.room.do(command):
            case Held(token):
                return f"held, token {token - BASE}"
            case Waiting(ahead):
                return f"waiting, {ahead} ahead"
            case Busy():
                return "busy"
            case Alive(ttl_ms):
                return f"alive for {ttl_ms} ms"
            case Counted(value):
                return f"{value}"
            case Kept(version):
                return f"version {version - BASE}"
            case Refused(reason, current):
                return reason if current is None else f"{reason}: it is {_shown(current)}"
            case messages.Done():
                return "done"

    def _acquire(self, who: str, kind: str, name: str, **options: str) -> str:
        waits = "waits" in options
        takes, permits = int(options.get("takes", "1")), int(options.get("permits", "1"))
        ttl_ms = int(options.get("ttl", TTL_MS))
        return self._do(Acquire(name, who, _KINDS[kind], ttl_ms, waits, takes, permits, options.get("value", "")))

    def _set(self, name: str, value: str, version: str = "", session: str = "") -> str:
        return self._do(SetKey(name, value, _version(version), session, TTL_MS if session else 0))

    def _later(self, ms: str) -> str:
        self.room.later(int(ms))
        return ""

    def _who(self, kind: str, name: str) -> str:
        claims = self.room.ask(GetClaims(name, _KINDS[kind]), Claims)
        held = ", ".join(f"{each.session} ({each.token - BASE})" for each in claims.held) or "nobody"
        queue = "".join(f", then {each.session}" for each in claims.queue)
        return held + queue

    def _session(self, who: str, space: str) -> str:
        found = self.room.ask(GetSession(space, who), SessionState)
        return f"{found.state} {' '.join(found.claims)}".strip()

    def _list(self, prefix: str, after: str = "") -> str:
        keys = self.room.ask(ListKeys(prefix, after), list[Key])
        return "\n".join(f"{key.name} = {key.value}, version {key.version - BASE}" for key in keys) or "nothing"


def _number(text: str) -> int | None:
    return int(text) if text else None


def _version(text: str) -> int | None:
    number = _number(text)
    return number + BASE if number else number


def _shown(number: object) -> object:
    """A number as it would be if the first were 1."""
    return number - BASE if isinstance(number, int) and BASE < number < 2 * BASE else number


def _data(data: dict[str, object]) -> str:
    return " ".join(
        f"{name}={_shown(value)}" for name, value in data.items() if value and name not in ("name", "type")
    )
