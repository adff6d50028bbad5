"""All results of a run, with the ratios to its yardsticks."""

from collections.abc import Mapping

import msgspec

from benchmarks.children import Failure
from benchmarks.environment import Environment
from benchmarks.measures import Measure, Point, Result


class Report(msgspec.Struct, frozen=True):
    """What a run found so far."""

    environment: Environment
    measures: list[Measure] = []
    points: list[Point] = []
    failures: Mapping[str, str] = {}

    def with_row(self, name: str, result: Result | Failure) -> "Report":
        """This and one more row."""
        match result:
            case Failure(reason):
                return msgspec.structs.replace(self, failures={**self.failures, name: reason})
            case Result(measures, points):
                return msgspec.structs.replace(self, measures=self.measures + measures, points=self.points + points)

    def ratios(self, measure: Measure) -> dict[str, float]:
        """How a measure compares with each of its yardsticks that was measured in this run."""
        values = {each.name: each.value for each in self.measures}
        return {name: done / values[name] for name, done in measure.against.items() if name in values}


class _Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """A measure as it stands in the file."""

    name: str
    unit: str
    value: float
    must: float | None
    aim: float | None
    limits_are: str
    must_is_kept: bool
    ratios: Mapping[str, float]
    details: Mapping[str, float]
    note: str


def to_json(report: Report) -> bytes:
    """The report for a program, and for a reader of differences: indented, numbers of four digits."""
    lines = [_line(report, measure) for measure in report.measures]
    content = {
        "environment": report.environment,
        "measures": lines,
        "points": [
            msgspec.structs.replace(p, per_second=_short(p.per_second), p99_ms=_short(p.p99_ms))
            for p in report.points
        ],
        "failures": report.failures,
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


def _line(report: Report, measure: Measure) -> _Line:
    return _Line(
        name=measure.name,
        unit=measure.unit,
        value=_short(measure.value),
        must=measure.must,
        aim=measure.aim,
        limits_are="from below" if measure.more_is_better else "from above",
        must_is_kept=measure.reaches(measure.must),
        ratios={name: _short(ratio) for name, ratio in report.ratios(measure).items()},
        details={name: _short(value) for name, value in measure.details.items()},
        note=measure.note,
    )


def _short(value: float) -> float:
    return float(f"{value:.4g}")
