"""What a run says, in words: titles for charts and sentences for the report, computed from its numbers, never written
ahead of them. A difference is only called one where it is beyond the noise. Texts are plain; who puts them into HTML
escapes them."""

from workbench.findings.arriving import arrival
from workbench.findings.boxes import isolation, noisy_neighbour
from workbench.findings.burst import scaling
from workbench.findings.cold import cold_phases, cold_start
from workbench.findings.consumer import consumer
from workbench.findings.expiry import cold_share, keep_alive
from workbench.findings.factor import cold_start_by
from workbench.findings.finding import Finding
from workbench.findings.flowing import event_flow
from workbench.findings.levels import concurrency
from workbench.findings.matrix import isolation_matrix, pressure_effects
from workbench.findings.money import cost
from workbench.findings.over_time import over_time
from workbench.findings.rates import sustainable_rate
from workbench.findings.selecting import Measured
from workbench.findings.shifts import interference
from workbench.findings.spike import spike
from workbench.findings.state import state
from workbench.findings.steps import boot_phases, image_build
from workbench.findings.summary import READINGS, compared, conclusions, emulated, findings, known, missing
from workbench.findings.wall_price import walls

__all__ = [
    "READINGS",
    "Finding",
    "Measured",
    "arrival",
    "boot_phases",
    "cold_phases",
    "cold_share",
    "cold_start",
    "cold_start_by",
    "compared",
    "conclusions",
    "concurrency",
    "consumer",
    "cost",
    "emulated",
    "event_flow",
    "findings",
    "image_build",
    "interference",
    "isolation",
    "isolation_matrix",
    "keep_alive",
    "known",
    "missing",
    "noisy_neighbour",
    "over_time",
    "pressure_effects",
    "scaling",
    "spike",
    "state",
    "sustainable_rate",
    "walls",
]
