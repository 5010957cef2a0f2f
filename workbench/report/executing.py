"""Executes the report's notebook with papermill in a kernel of this very interpreter."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.session import VARIABLE, session_dir, session_id

_QUIET = ("--HistoryManager.enabled=False", "--log-level=CRITICAL")


def execute(source: Path, target: Path, run: Path) -> Any:
    """Execute `source` for the run at `run`, keep it as `target`, and return the notebook; raises WorkbenchError.

    The run's path is given relative to the report, so that both can be moved and executed again together.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    logging.getLogger("papermill").setLevel(logging.WARNING)
    parameters = {"run_path": os.path.relpath(run, target.parent)}
    with tempfile.TemporaryDirectory(dir=session_dir(), prefix="k.") as profile:
        try:
            return papermill.execute_notebook(
                str(source),
                str(target),
                parameters,
                kernel_name="python3",
                language="python",
                progress_bar=False,
                request_save_on_cell_execute=False,
                cwd=str(target.parent),
                kernel_manager_class=_kernel_manager(profile),
                start_timeout=120,
            )
        except PapermillExecutionError as error:
            raise WorkbenchError(
                f"The report's notebook stopped at cell {error.exec_count}: {error.ename}: {error.evalue}. "
                f"Open {target} to see the cell; the run itself is safe in {run}."
            ) from error


def _kernel_manager(profile: str) -> type[Any]:
    """A kernel manager whose kernel is this interpreter, whatever kernels are installed.

    A kernel named python3 may belong to another Python that has no workbench. `profile` keeps the person's own IPython
    start-up files and history out of the report.
    """
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager
    from traitlets import default

    here = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(part for part in (here, os.environ.get("PYTHONPATH", "")) if part)
    spec = KernelSpec(
        argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", *_QUIET],
        display_name="Python 3",
        language="python",
        env={VARIABLE: session_id(), "PYTHONPATH": path, "IPYTHONDIR": profile, "PYDEVD_DISABLE_FILE_VALIDATION": "1"},
    )

    class ThisInterpreter(AsyncKernelManager):
        # Sockets in a directory of ours: on a shared host nobody else reaches the kernel, as they could by TCP.
        @default("transport")
        def _transport(self) -> str:
            return "tcp" if sys.platform == "win32" else "ipc"

        @default("connection_file")
        def _connection_file(self) -> str:
            return str(Path(profile) / "kernel.json")

        @property
        def kernel_spec(self) -> KernelSpec:
            return spec

    return ThisInterpreter
