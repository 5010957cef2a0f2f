"""What all recordings have in common: they say how far they are and how busy the machine was, and name no home."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from workbench import recorded
from workbench.comparison import environment
from workbench.records import Measurement, Run


def load_before() -> str:
    """What else the machine has to do, in words to add to how something was measured; to be asked before measuring."""
    return f"; load average before: {os.getloadavg()[0]:.1f}"


def told(what: str, done: int, total: int) -> None:
    """A Progress for the terminal."""
    print(f"{what}: {done} of {total}", file=sys.stderr)


def run_of(about: Mapping[str, Any], found: tuple[Measurement, ...], busy: str) -> Run:
    """The run to ship: `busy` (see `load_before`) is in how each was measured, and this user's home is called ~."""
    run = Run(about, environment({m.deployment: m.sandbox for m in found}))
    return run.add(*(_noted(m, busy) for m in found))


def write(run: Run, name: str, place: str = "") -> Path:
    """Save the recording `name` at `place`, by default where the package has it."""
    return run.save(place or Path(recorded.__file__).parent / f"{name}.json")


def without_home(value: Any, home: str = "") -> Any:
    """`value`, of JSON's kinds, with the path of the home directory (`home`; by default this user's) written as ~."""
    home = home or str(Path.home())
    if isinstance(value, str):
        return value.replace(home + os.sep, f"~{os.sep}")
    if isinstance(value, Mapping):
        return {key: without_home(each, home) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_home(each, home) for each in value]
    return value


def _noted(measured: Measurement, busy: str) -> Measurement:
    provenance = replace(measured.provenance, how=without_home(measured.provenance.how) + busy)
    return replace(measured, provenance=provenance, detail=without_home(measured.detail))
