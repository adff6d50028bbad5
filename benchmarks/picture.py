"""The picture for the README: throughput and latency against the size of a batch."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from benchmarks.measures import Point

_STYLES: Final = {
    "Ropewalk, 4 callers": ("#0b6e4f", "o", "-"),
    "Ropewalk, 256 callers": ("#4c9f86", "D", "none"),
    "PostgreSQL 15": ("#b4541a", "s", "none"),
}
_INK: Final = "#24292f"
_FAINT: Final = "#d0d7de"


def draw(points: Sequence[Point], path: Path) -> None:
    """Draw both against the batch size; the same points give the same picture."""
    figure = Figure(figsize=(9.0, 3.6), dpi=160, facecolor="white", layout="constrained")
    left, right = figure.subplots(1, 2)
    _panel(left, points, of=lambda point: point.per_second, title="Transfers per second, durable", is_up=True)
    _panel(right, points, of=lambda point: point.p99_ms, title="Latency of a call, 99th percentile (ms)", is_up=False)
    left.legend(frameon=False, labelcolor=_INK, loc="upper left")
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without the version of the program that drew it, so that only what was measured changes the file.
    figure.savefig(path, metadata={"Software": None})


def _panel(axes: Axes, points: Sequence[Point], *, of: Callable[[Point], float], title: str, is_up: bool) -> None:
    """One quantity; the numbers of a line stand above it if `is_up`."""
    axes.set_title(title, fontsize=11, color=_INK, loc="left")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    for series, (colour, marker, line) in _STYLES.items():
        chosen = sorted((point for point in points if point.series == series), key=lambda point: point.batch)
        batches, values = [point.batch for point in chosen], [of(point) for point in chosen]
        axes.plot(
            batches, values, color=colour, marker=marker, linestyle=line, linewidth=2, markersize=6, label=series
        )
        for point in chosen:
            _label(axes, point, of(point), colour=colour, offset=_offset(point, is_line=line == "-", is_up=is_up))
    sizes = sorted({point.batch for point in points})
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axes.margins(x=0.1, y=0.18)
    axes.set_xlabel("transfers in a call", fontsize=10, color=_INK)
    axes.grid(visible=True, color=_FAINT, linewidth=0.6)
    axes.tick_params(colors=_INK, labelsize=9, length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _offset(point: Point, *, is_line: bool, is_up: bool) -> tuple[int, int]:
    """Where a number stands from its point, in points of a font: away from lines and from other points."""
    if is_line:
        return (0, 10) if is_up else (0, -12)
    return (20, 0) if point.batch == 1 else (-20, 0)


def _label(axes: Axes, point: Point, value: float, *, colour: str, offset: tuple[int, int]) -> None:
    axes.annotate(
        _short(value),
        (point.batch, value),
        textcoords="offset points",
        xytext=offset,
        ha="center",
        va="center",
        fontsize=8,
        color=colour,
    )


def _short(value: float) -> str:
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"
