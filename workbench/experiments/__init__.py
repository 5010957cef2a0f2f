"""What is measured: each experiment takes one deployment or several and gives a Measurement of each.

Several are measured interleaved, A B C A B C, so that a machine that drifts hurts all alike. An experiment tells its
progress, can be interrupted (`Interrupted` carries what there was), and leaves nothing running that it started.
"""

from workbench.experiments.arrival import arrival
from workbench.experiments.cold_share import cold_share
from workbench.experiments.cold_start import cold_start
from workbench.experiments.cold_start_by import cold_start_by
from workbench.experiments.concurrency import concurrency
from workbench.experiments.consumer import consumer
from workbench.experiments.cost import cost
from workbench.experiments.delivery import delivery
from workbench.experiments.elasticity import Elasticity, demand, elasticity
from workbench.experiments.flow import Flow, flow
from workbench.experiments.gateway_adds import gateway_adds
from workbench.experiments.image_build import image_build
from workbench.experiments.isolation import isolation
from workbench.experiments.isolation_matrix import isolation_matrix
from workbench.experiments.keep_alive import keep_alive
from workbench.experiments.order import order
from workbench.experiments.progress import Interrupted, Progress, silent
from workbench.experiments.refused import refused
from workbench.experiments.scaling import scaling
from workbench.experiments.spike import spike
from workbench.experiments.state import state
from workbench.experiments.sustainable_rate import brackets, sustainable_rate
from workbench.experiments.to_zero import to_zero

__all__ = [
    "Elasticity",
    "Flow",
    "Interrupted",
    "Progress",
    "arrival",
    "brackets",
    "cold_share",
    "cold_start",
    "cold_start_by",
    "concurrency",
    "consumer",
    "cost",
    "delivery",
    "demand",
    "elasticity",
    "flow",
    "gateway_adds",
    "image_build",
    "isolation",
    "isolation_matrix",
    "keep_alive",
    "order",
    "refused",
    "scaling",
    "silent",
    "spike",
    "state",
    "sustainable_rate",
    "to_zero",
]
