"""What the stories of sagas can say: one verb a line."""

from collections.abc import Callable

import msgspec

from ropewalk.coordination.sagas.messages import (
    Answer,
    Compensate,
    GetSaga,
    GetTasks,
    ListSagas,
    ListTasks,
    Resolve,
    Retry,
    Start,
    TaskName,
)
from ropewalk.proving.workloads.travel import Close, Stock, Trip, travel
from tests.coordination.joined import Joined

SAGAS = "flights-sagas"


class Story:
    """A travel agency, and what becomes of its trips. Mail arrives at once, but for what is `unreachable`."""

    def __init__(self) -> None:
        self.joined = Joined(travel())
        self._seen = 0
        self._verbs: dict[str, Callable[..., str]] = {
            "stock": lambda service, house, free: self._call(service, Stock(house, int(free))),
            "close": lambda service, house: self._call(service, Close(house)),
            "open": lambda service, house: self._call(service, Close(house, False)),
            "start": self._start,
            "start-paid": lambda *words: self._start(*words, saga="paid_trip"),
            "tasks": self._tasks,
            "answer": lambda id_, step, reply, tries="0": self._call(
                SAGAS, Answer(id_, step, reply, int(tries), "ada")
            ),
            "later": self._later,
            "unreachable": self._unreachable,
            "reachable": self._reachable,
            "retry": lambda id_, who, *why: self._call(SAGAS, Retry(id_, who, " ".join(why))),
            "compensate": lambda id_, who, *why: self._call(SAGAS, Compensate(id_, who, " ".join(why))),
            "resolve": lambda id_, step, who, *why: self._call(SAGAS, Resolve(id_, step, who, " ".join(why))),
            "show": self._show,
            "history": self._history,
            "list": self._list,
            "house": self._house,
        }

    def run(self, block: str) -> str:
        """Do what each line says; return what there is to see."""
        seen = []
        for line in block.splitlines():
            verb, *words = line.split()
            seen.append(self._verbs[verb](*words))
            self.joined.settle()
            seen += self._news()
        return "\n".join(each for each in seen if each)

    def _call(self, service: str, command: msgspec.Struct) -> str:
        reply = self.joined.call(service, command)
        if service != SAGAS:
            return ""
        return f"{reply['reason']}: {reply['detail']}" if reply["type"] == "Refused" else str(reply["state"])

    def _start(self, id_: str, flight: str, hotel: str = "", *, saga: str = "trip") -> str:
        return self._call(SAGAS, Start(id_, saga, msgspec.to_builtins(Trip(id_, flight, hotel))))

    def _tasks(self, kind: str = "") -> str:
        listed = self.joined.read(SAGAS, ListTasks(kind or None))
        assert listed == self.joined.read(SAGAS, GetTasks([msgspec.convert(each, TaskName) for each in listed]))
        return "\n".join(f"{each['kind']} {each['data']}, {each['key']}" for each in listed) or "none"

    def _later(self, seconds: str) -> str:
        self.joined.settle(seconds=int(seconds))
        return ""

    def _unreachable(self, service: str) -> str:
        self.joined.unreachable.append(service)
        return ""

    def _reachable(self, service: str) -> str:
        self.joined.unreachable.remove(service)
        return ""

    def _show(self, id_: str) -> str:
        view = self.joined.read(SAGAS, GetSaga(id_))
        steps = [f"{step['name']}: {step['state']} {step['why']}".rstrip() for step in view["steps"]]
        return "\n".join([_line(view["summary"]), *(f"  {step}" for step in steps)])

    def _history(self, id_: str) -> str:
        history = self.joined.read(SAGAS, GetSaga(id_))["history"]
        words = ("step", "what", "detail", "who")
        return "\n".join(
            f"{each['time_ns'] // 10**9}s " + " ".join(filter(None, (each[w] for w in words))) for each in history
        )

    def _list(self, state: str = "") -> str:
        listed = self.joined.read(SAGAS, ListSagas(state or None))  # type: ignore[arg-type]
        return "\n".join(_line(each) for each in listed) or "none"

    def _house(self, service: str, house: str) -> str:
        found = self.joined.read(service, house)
        return f"{found['free']} free, booked: {' '.join(found['booked']) or 'none'}"

    def _news(self) -> list[str]:
        events = self.joined.events(SAGAS)
        news, self._seen = events[self._seen :], len(events)
        return [f"  {kind} {subject}" for kind, subject in news]


def _line(summary: dict[str, object]) -> str:
    waits = summary["waits_for"]
    because = summary["stuck"] or summary["why"]
    shown = [
        f"{summary['id']} {summary['state']}",
        f"waits for {', '.join(waits)}" if isinstance(waits, list) and waits else "",
        str(because),
    ]
    return "; ".join(filter(None, shown))
