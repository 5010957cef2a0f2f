"""What a cell shows while it measures: a figure that fills, or how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.deployment import Deployment
from workbench.experiments import Progress
from workbench.invocation import InvocationResult
from workbench.labs.panel import say

if TYPE_CHECKING:
    from workbench.charts import LiveLatency


class _Watched:
    """A deployment that tells `figure` of every cold start; everything else is passed on."""

    def __init__(self, deployment: Deployment, figure: LiveLatency) -> None:
        self._deployment, self._figure = deployment, figure

    def invoke_cold(self, payload: Any) -> InvocationResult:
        """Pass on, and draw the answer's latency."""
        result = self._deployment.invoke_cold(payload)
        self._figure.add(self._deployment.pattern, result.latency_ms)
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._deployment, name)


class Live:
    """The figure that a cell shows while its next lines measure."""

    def __init__(self, title: str) -> None:
        from workbench import charts  # plotly is slow to import: only where a figure is drawn

        self.figure = charts.live(title)

    def watch(self, *deployments: Deployment) -> tuple[Any, ...]:
        """The same deployments, drawn from now on."""
        return tuple(_Watched(deployment, self.figure) for deployment in deployments)


def live(title: str = "Cold starts, as they are measured") -> Live:
    """Show an empty figure that fills with one dot for every cold start of the deployments it watches."""
    from IPython.display import display

    shown = Live(title)
    display(shown.figure.figure)  # type: ignore[no-untyped-call]
    return shown


def told() -> Progress:
    """A Progress that says in this cell how far a measurement is, until the next cell."""
    from IPython.display import display

    shown: Any = display(say("Measuring", "…"), display_id=True)  # type: ignore[no-untyped-call]

    def tell(stage: str, done: int, total: int) -> None:
        if shown is not None:  # there is nothing to update outside a notebook
            shown.update(say("Measuring" if done < total else "Measured", f"{stage}: {done} of {total}"))

    return tell
