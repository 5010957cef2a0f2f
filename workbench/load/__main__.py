"""The generator's process: a spec as one JSON line on stdin; started, progress and result lines on stdout.

Further lines on stdin: `{"targets": [...]}` sends the rest there, `{"stop": true}` ends the load now. End of file means
that the parent is gone: it stops as well, so that no load outlives who asked for it. SIGINT and SIGTERM stop it too.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

from workbench.errors import WorkbenchError
from workbench.load.spec import ClosedSpec, LoadSpec, read_spec
from workbench.load.targets import check_targets, targets_from_json


def main() -> int:
    """Run one load; returns the exit status: 0 with a result, 2 with an `error` line."""
    lines = _lines(sys.stdin.fileno())
    try:
        spec = read_spec(json.loads(next(lines, b"{}")))
    except (WorkbenchError, ValueError) as error:
        _emit({"error": str(error)})
        return 2
    wanted = spec.clients if isinstance(spec, ClosedSpec) else spec.max_connections
    connections = _allow_descriptors(wanted)
    if connections < wanted:
        advice = "lower max_connections, or clients (ulimit -n)"
        _emit({"error": f"This process may open only {connections} connections; {advice}."})
        return 2
    gc.freeze()  # what is loaded by now stays; collecting it again and again would be the generator's own pauses
    gc.set_threshold(50_000, 50, 100)
    result = _runner()(_run(spec, lines))
    with contextlib.suppress(OSError):  # nobody is left to read it
        _emit({"result": result})
    return 0


async def _run(spec: LoadSpec | ClosedSpec, lines: Iterator[bytes]) -> dict[str, Any]:
    # aiohttp only now: a refused spec is told at once
    from workbench.load.closed_loop import ClosedLoop
    from workbench.load.open_loop import OpenLoop

    generator = ClosedLoop(spec, _emit) if isinstance(spec, ClosedSpec) else OpenLoop(spec, _emit)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, generator.stop)

    def obey() -> None:
        for line in lines:
            order = json.loads(line)
            if order.get("stop"):
                break
            targets = targets_from_json(order["targets"])
            check_targets(targets, allow_remote=spec.allow_remote)
            loop.call_soon_threadsafe(generator.retarget, targets)
        loop.call_soon_threadsafe(generator.stop)

    def listen() -> None:
        # A loop that is closed has nobody to stop; an order that cannot be obeyed ends the load rather than be ignored.
        with contextlib.suppress(RuntimeError):
            try:
                obey()
            except (ValueError, KeyError, TypeError, WorkbenchError) as error:
                print(f"The load was stopped by an order it could not obey: {error}", file=sys.stderr)
                loop.call_soon_threadsafe(generator.stop)

    # A daemon that reads the bare descriptor: it may be blocked there for ever, and must not hold up the exit.
    threading.Thread(target=listen, daemon=True).start()
    return await generator.run()


def _lines(descriptor: int) -> Iterator[bytes]:
    parts: list[bytes] = []
    while chunk := os.read(descriptor, 1 << 20):
        *whole, pending = chunk.split(b"\n")
        for line in whole:
            parts.append(line)
            yield b"".join(parts)
            parts = []
        parts.append(pending)


def _emit(message: dict[str, Any]) -> None:
    data = memoryview(json.dumps(message, separators=(",", ":")).encode() + b"\n")
    while data:
        data = data[os.write(1, data) :]


def _runner() -> Any:
    try:
        import uvloop
    except ImportError:  # Windows has none; asyncio's own loop is slower and does
        return asyncio.run
    return uvloop.run


def _allow_descriptors(connections: int) -> int:
    """Raise this process's own limit on open files as far as needed; returns how many connections it now allows."""
    try:
        import resource
    except ImportError:
        return connections
    spare = 64
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + spare
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections if soft == resource.RLIM_INFINITY else min(connections, soft - spare)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)
