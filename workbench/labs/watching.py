"""A figure that fills while a deployment is being measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from workbench.deployment import Deployment
from workbench.invocation import InvocationResult

if TYPE_CHECKING:
    from workbench.charts import LiveLatency


class _Watched:
    """A deployment that tells `figure` of every cold start, with `warm` of every call; the rest is passed on."""

    def __init__(self, deployment: Deployment, figure: LiveLatency, warm: bool) -> None:
        self._deployment, self._figure, self._warm = deployment, figure, warm

    def invoke_cold(self, payload: Any) -> InvocationResult:
        """Pass on, and draw the answer's latency."""
        result = self._deployment.invoke_cold(payload)
        self._figure.add(self._deployment.pattern, result.latency_ms)
        return result

    def invoke(self, payload: Any) -> InvocationResult:
        """Pass on, and draw the answer's latency if it is to be drawn."""
        result = self._deployment.invoke(payload)
        if self._warm:
            self._figure.add(self._deployment.pattern, result.latency_ms)
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._deployment, name)


class Live:
    """The figure that a cell shows while its next lines measure."""

    def __init__(self, title: str) -> None:
        from workbench import charts  # plotly is slow to import: only where a figure is drawn

        self.figure = charts.live(title)

    def watch(self, *deployments: Deployment, warm: bool = False) -> tuple[Any, ...]:
        """The same deployments, drawn from now on: their cold starts, and `warm` every other call of them too."""
        return tuple(_Watched(deployment, self.figure, warm) for deployment in deployments)


def live(title: str = "Cold starts, as they are measured") -> Live:
    """Show an empty figure that fills with one dot for every call of the deployments it watches.

    When the cell ends, the whole figure takes its place: a browser that was too busy to follow may have missed dots.
    """
    from IPython.core.getipython import get_ipython
    from IPython.display import display

    shown = Live(title)
    # In a box: a figure by itself is shown in a way of its own, by which it cannot be replaced.
    handle: Any = display(widgets.VBox([shown.figure.figure]), display_id=True)  # type: ignore[no-untyped-call]
    shell: Any = get_ipython()
    if shell is not None:

        def settle(_: Any) -> None:
            shell.events.unregister("post_run_cell", settle)
            handle.update(shown.figure.whole(), raw=True)

        shell.events.register("post_run_cell", settle)
    return shown
