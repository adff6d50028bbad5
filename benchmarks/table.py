"""The report as a table for a terminal."""

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from benchmarks.measures import Measure
from benchmarks.report import Report


def table(report: Report) -> Table:
    """One line a measure: the value, what it must be and should be, and how it compares."""
    shown = Table(title="Ropewalk, measured", title_justify="left")
    shown.add_column("what")
    for column in ("value", "must", "aim"):
        shown.add_column(column, justify="right")
    shown.add_column("compared with")
    shown.add_column("details")
    for measure in report.measures:
        ratios = "\n".join(f"{_ratio(ratio)} {escape(name)}" for name, ratio in report.ratios(measure).items())
        details = "\n".join(f"{escape(name)} {value:,.3g}" for name, value in measure.details.items())
        what = escape(measure.name) + (f"\n[dim]{escape(measure.note)}[/dim]" if measure.note else "")
        shown.add_row(
            what, _value(measure), _limit(measure, measure.must), _limit(measure, measure.aim), ratios, details
        )
    for name, reason in report.failures.items():
        shown.add_row(escape(name), "[red]not measured", "", "", "", escape(reason))
    return shown


def _value(measure: Measure) -> Text:
    text = f"{_number(measure.value)} {measure.unit}"
    if not measure.reaches(measure.must):
        return Text(f"{text} ✗", style="red")
    if measure.must is None:
        return Text(text)
    return Text(
        f"{text} ✓✓" if measure.aim is not None and measure.reaches(measure.aim) else f"{text} ✓", style="green"
    )


def _limit(measure: Measure, limit: float | None) -> str:
    if limit is None:
        return ""
    return f"{'≥' if measure.more_is_better else '≤'} {_number(limit)}"


def _ratio(ratio: float) -> str:
    return f"{ratio:.2g} times" if ratio < 1 else f"{ratio:,.1f} times"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
