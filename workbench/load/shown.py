"""A load for people at a terminal: one live line while it runs, the result as text, and what must be said about it."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bar

from workbench.load.handle import Progress


class LiveLine:
    """Shows each Progress in one line of stderr, and nothing where that is no terminal; a context manager."""

    def __init__(self, console: Console | None = None) -> None:
        console = console or Console(stderr=True)
        columns = (BarColumn(20), TextColumn("{task.description}", markup=False))
        self._bar = Bar(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task: TaskID | None = None

    def __call__(self, progress: Progress) -> None:
        if self._task is None:
            self._task = self._bar.add_task("", total=None)
        self._bar.update(self._task, total=progress.duration_s, completed=progress.t_s, description=live_text(progress))

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


def live_text(progress: Progress) -> str:
    """How a load goes, in one line."""
    parts = [f"{progress.per_s:,.0f}/s"]
    if progress.p50_ms is not None and progress.p99_ms is not None:
        parts.append(f"p50 {progress.p50_ms:,.3g} ms, p99 {progress.p99_ms:,.3g} ms")
    parts.append(f"{progress.errors:,} errors")
    waiting = progress.due - progress.ended
    left = f"{progress.remaining_s:,.0f} s left" if progress.remaining_s else f"waiting for {waiting:,} answers"
    return "  ".join([*parts, left])


def result_text(summary: Mapping[str, Any]) -> str:
    """LoadResult.summary() with its arrivals (load_url) as lines of a name and a value, then `remarks`."""
    apart = ("counts", "warmup", "arrivals", "complete", "interrupted")
    rows = {name: value for name, value in summary.items() if name not in apart}
    rows |= {"dropped": summary["counts"].get("dropped", 0)}
    lines = [f"{name:>16}  {_value(value)}" for name, value in rows.items() if value is not None]
    return "\n".join([*lines, "", *remarks(summary)])


def remarks(summary: Mapping[str, Any]) -> list[str]:
    """What a reader of the numbers must know: sentences, the gravest first."""
    found = []
    if not summary["complete"]:
        found.append("Not complete: the load was stopped, or reached a bound, and this is what there was by then.")
    if summary["loop"] == "closed":
        found.append(
            "Closed loop: each client waited for its answers, and latency counts from the real send time. What users "
            "would have waited for while the server stalled is missing. A demonstration: to measure, take an open loop."
        )
        return found
    if not summary["kept_up"]:
        found.append(
            f"The generator itself did not keep up: its lateness (p99 {summary['lateness_p99_ms']:,.1f} ms) is part of "
            "these latencies. Lower the rate, or load from a quieter machine."
        )
    if dropped := summary["counts"].get("dropped", 0):
        found.append(f"{dropped:,} requests were never sent: all connections allowed waited for answers.")
    if warmup := summary["warmup"]:
        found.append(f"Warm-up, apart: {warmup['sent']:,} sent, {_percentiles(warmup)}, {warmup['errors']:,} errors.")
    arrivals = summary["arrivals"]
    chance = "" if arrivals["seed"] is None else f", seed {arrivals['seed']}"
    source = f" ({arrivals['source']})" if arrivals["source"] else ""
    found.append(
        f"Open loop, {arrivals['kind']} arrivals{source}: {arrivals['requests']:,} planned in "
        f"{arrivals['duration_s']:,.4g} s{chance}. Latency counts from the planned send time."
    )
    return found


def _percentiles(summary: Mapping[str, Any]) -> str:
    if summary["p50_ms"] is None:
        return "none answered well"
    return f"p50 {summary['p50_ms']:,.2f} ms, p99 {summary['p99_ms']:,.2f} ms"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
