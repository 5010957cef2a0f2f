"""Charts of what was measured, as plotly figures; each takes a run or its measurements.

Every figure states its finding as its title, says below how its numbers were obtained and what is missing, and can be
read without colour. A partial run draws what there is. This package alone imports plotly: what is said is worked out in
`findings`, what is drawn is here, one concept a file.
"""

from workbench.charts.arrival import arrival
from workbench.charts.boxes import isolation, noisy_neighbour
from workbench.charts.burst import scaling
from workbench.charts.calls import calls
from workbench.charts.cold_factor import cold_phases, cold_start_by
from workbench.charts.cold_share import cold_share
from workbench.charts.consumer import consumer
from workbench.charts.event_flow import flow
from workbench.charts.forces import tradeoff_table
from workbench.charts.growing import LiveFigure, LiveLatency, live
from workbench.charts.histogram import histogram
from workbench.charts.interference import interference
from workbench.charts.keep_alive import keep_alive
from workbench.charts.levels import concurrency
from workbench.charts.matrix import isolation_matrix, pressures
from workbench.charts.money import cost
from workbench.charts.over_time import over_time
from workbench.charts.page import PAGE_WIDTH, javascript, to_html
from workbench.charts.phases import cold_start
from workbench.charts.rates import sustainable_rate
from workbench.charts.sequence import sequence
from workbench.charts.spike import spike
from workbench.charts.state import state
from workbench.charts.steps import boot_phases, image_build
from workbench.charts.tails import tails
from workbench.charts.walls import walls

__all__ = [
    "PAGE_WIDTH",
    "LiveFigure",
    "LiveLatency",
    "arrival",
    "boot_phases",
    "calls",
    "cold_phases",
    "cold_share",
    "cold_start",
    "cold_start_by",
    "concurrency",
    "consumer",
    "cost",
    "flow",
    "histogram",
    "image_build",
    "interference",
    "isolation",
    "isolation_matrix",
    "javascript",
    "keep_alive",
    "live",
    "noisy_neighbour",
    "over_time",
    "pressures",
    "scaling",
    "sequence",
    "spike",
    "state",
    "sustainable_rate",
    "tails",
    "to_html",
    "tradeoff_table",
    "walls",
]
