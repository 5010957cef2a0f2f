"""What the checker deploys: the learner's handler, and beside its answer what it did to the instance it runs in.

Looked at while the handler runs: the most memory that Python objects took, which files it opened for writing or which
directories it made (those still there afterwards are left behind), and what the processes that it started could be seen
with. After it: which names at the top of app.py, and which files, still hold what the customer sent.
"""

import contextlib
import importlib
import os
import sys
import tempfile
import tracemalloc
from collections.abc import Iterator
from typing import Any

# Imported anew with this file, so that two instances share nothing even where both live in one process.
for name in ("app", "sign", "store", "vault"):
    sys.modules.pop(name, None)
_vault = importlib.import_module("vault")
_app = importlib.import_module("app")

_STARTS = ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn")
_BEGINNING = 2**16
_watched: list["Watch"] = []


class Watch:
    """What the handler did, as the interpreter told of it."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.made: list[str] = []
        self.commands: list[str] = []
        self.environments: list[str] = []
        self.files: list[str] = []

    def see(self, event: str, args: tuple[Any, ...]) -> None:
        """One thing that the interpreter is about to do."""
        if event == "open" and isinstance(args[0], str | bytes) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            self.written.append(os.path.abspath(os.fsdecode(args[0])))
        elif event == "os.mkdir":
            self.made.append(os.path.abspath(os.fsdecode(args[0])))
        elif event in ("os.rename", "os.link"):
            self.written.append(os.path.abspath(os.fsdecode(args[1])))
        elif event == "os.system":
            self._start(os.fsdecode(args[0]), repr(os.environ))
        elif event in _STARTS:
            self._start(repr(args[:-1]), repr(args[-1] or os.environ))

    def _start(self, command: str, environment: str) -> None:
        self.commands.append(command)
        self.environments.append(environment)
        # What is in its files now may be gone when the process has ended.
        self.files += self.readable().values()

    def readable(self) -> dict[str, str]:
        """The beginning of each file that it wrote and that is still there."""
        texts = {}
        for path in filter(os.path.isfile, self.written):
            with open(path, "rb") as file:
                texts[path] = file.read(_BEGINNING).decode(errors="replace")
        return texts


def _hook(event: str, args: tuple[Any, ...]) -> None:
    for watch in _watched:
        watch.see(event, args)


sys.addaudithook(_hook)


def handler(event: Any, context: Any) -> dict[str, Any]:
    """The learner's answer, or what it raised, and what was seen."""
    with watching() as watch:
        tracemalloc.start()
        try:
            answer, raised = _app.handler(event, context), None
        except (ConnectionError, ValueError) as error:  # what the service may refuse an upload with
            answer, raised = None, type(error).__name__
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    key = _vault.signing_key()
    still_there = kept(str(event.get("caption") or ""), watch)
    return {
        "answer": answer,
        "raised": raised,
        "peak_bytes": peak,
        "left": removed(watch),
        "key": key,
        "shown_in": shown(key, watch),
        "kept_in": still_there,
        "started": len(watch.commands),
    }


@contextlib.contextmanager
def watching() -> Iterator[Watch]:
    """A Watch that is told of everything meanwhile."""
    watch = Watch()
    _watched.append(watch)
    try:
        yield watch
    finally:
        _watched.remove(watch)


def removed(watch: Watch) -> list[int]:
    """The sizes of the files that are still there, 0 for a directory; they go, as the checker is a good guest too."""
    sizes = []
    for path in dict.fromkeys(watch.written):
        if os.path.isfile(path) and "__pycache__" not in path:
            sizes.append(os.path.getsize(path))
            if path.startswith((tempfile.gettempdir(), "/tmp")):
                os.unlink(path)
    for path in reversed(dict.fromkeys(watch.made)):
        with contextlib.suppress(OSError):  # gone, or not empty: then it was there before
            os.rmdir(path)
            sizes.append(0)
    return sizes


def shown(key: str, watch: Watch) -> list[str]:
    """Where a neighbour could have read the key while the handler's processes ran."""
    places = {"command line": watch.commands, "environment": watch.environments, "file": watch.files}
    return [place for place, texts in places.items() if any(key in text for text in texts)]


def kept(text: str, watch: Watch) -> list[str]:
    """The names at the top of app.py whose values hold the text, and the files that the handler wrote and that do."""
    names = {
        name: (value, getattr(value, "__defaults__", None)) for name, value in vars(_app).items() if name[:2] != "__"
    }
    files = [path for path, content in watch.readable().items() if text in path + content]
    return [name for name, values in names.items() if text in repr(values)] + files if text else []
