"""What is measured: each experiment takes one deployment or several and gives a Measurement of each.

Several are measured interleaved, A B C A B C, so that a machine that drifts hurts all alike. An experiment tells its
progress, can be interrupted (`Interrupted` carries what there was), and leaves nothing running that it started.
"""

from workbench.experiments.cold_start import cold_start
from workbench.experiments.cost import cost
from workbench.experiments.delivery import delivery
from workbench.experiments.image_build import image_build
from workbench.experiments.isolation import isolation
from workbench.experiments.isolation_matrix import isolation_matrix
from workbench.experiments.order import order
from workbench.experiments.progress import Interrupted, Progress, silent
from workbench.experiments.scaling import scaling

__all__ = [
    "Interrupted",
    "Progress",
    "cold_start",
    "cost",
    "delivery",
    "image_build",
    "isolation",
    "isolation_matrix",
    "order",
    "scaling",
    "silent",
]
