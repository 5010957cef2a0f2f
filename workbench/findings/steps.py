"""What the builds of an image and the boot of a virtual machine say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from workbench import statistics
from workbench.findings.finding import Finding
from workbench.findings.selecting import Measured, select
from workbench.findings.wording import DASH, capitalised, listed, milliseconds, numbers, seconds, times
from workbench.records import Measurement, Run

BUILDS = {
    "first_s": "first build",
    "dependency_s": "after a dependency change",
    "code_s": "after a code change",
    "unchanged_s": "unchanged",
}


def builds(measured: Measured) -> dict[str, list[float]]:
    """Seconds of every build by kind, of the last measurement that has builds."""
    m = _built(measured)
    return {} if m is None else {name: s for key, name in BUILDS.items() if (s := numbers(m.detail.get(key)))}


def image_build(measured: Measured) -> Finding:
    """The finding of an image's builds; a ratio to the first only where it is beyond the noise."""
    m, found = _built(measured), builds(measured)
    if m is None:
        return Finding(
            "No build of an image was measured", (), ("No build was measured.",), "No numbers, so no provenance."
        )
    middles = {name: statistics.percentile(values, 50) for name, values in found.items()}
    title = "Building the image: " + listed(f"{name} {seconds(value)}" for name, value in middles.items())
    few = [name for name, values in found.items() if len(values) < statistics.FEWEST_FOR_VERDICT]
    notes = (f"Too few builds to tell a difference from noise: {listed(few)}.",) if few else ()
    return Finding(title, tuple(_against_first(found)), notes, select(m, m.experiment).provenance)


def _against_first(found: Mapping[str, list[float]]) -> Iterator[str]:
    first = found.get(BUILDS["first_s"], [])
    for name, values in found.items():
        if values is first or not first or min(values) <= 0:
            continue
        if statistics.verdict(values, first) == "faster":
            ratio = statistics.bootstrap_ratio(first, values)
            span = f"{times(ratio.low)[:-1]}{DASH}{times(ratio.high)}"
            yield f"{capitalised(name)}, a build is {times(ratio.value)} ({span}) as fast as the first."
        else:
            yield f"{capitalised(name)}, a build is no faster than the first beyond the noise."


def _built(measured: Measured) -> Measurement | None:
    if isinstance(measured, Run):
        given: Iterable[Measurement] = measured.measurements
    else:
        given = (measured,) if isinstance(measured, Measurement) else measured
    found = [m for m in given if any(numbers(m.detail.get(key)) for key in BUILDS)]
    return found[-1] if found else None


def medians(samples: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of each step in ms, in the order of the steps; a sample without a step does not count for it."""
    names = dict.fromkeys(step for sample in samples for step in sample)
    return {name: statistics.percentile([s[name] for s in samples if name in s], 50) for name in names}


def boot_phases(boots: Mapping[str, Sequence[Mapping[str, float]]], provenance: str) -> Finding:
    """The finding of a boot's steps: which takes longest."""
    found = {label: medians(samples) for label, samples in boots.items() if samples}
    if not found:
        return Finding("No boot was measured", (), ("No boot was measured.",), "No numbers, so no provenance.")
    longest = {label: max(each.items(), key=lambda step: step[1]) for label, each in found.items()}
    title = "The longest step of a boot: " + listed(
        f"{name} for {label} ({milliseconds(ms)})" for label, (name, ms) in longest.items()
    )
    counts = listed(f"{len(samples)} of {label}" for label, samples in boots.items() if samples)
    return Finding(title, (f"Boots measured: {counts}.",), (), provenance)
