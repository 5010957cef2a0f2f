"""What a deployment would cost in a cloud: modelled from measured durations and a dated, sourced price book."""

from workbench.cost.billing import HOURS_A_MONTH, MILLION, provisioned_usd, serverless_usd, serverless_usd_per_hour
from workbench.cost.break_even import BreakEven, break_even
from workbench.cost.duration import billed_mean
from workbench.cost.hosting import Hosting, container, container_usd, ec2, fargate, replicas_needed, vm, vm_usd
from workbench.cost.lines import Cost, Line
from workbench.cost.prices import Price, PriceBook

__all__ = [
    "HOURS_A_MONTH",
    "MILLION",
    "BreakEven",
    "Cost",
    "Hosting",
    "Line",
    "Price",
    "PriceBook",
    "billed_mean",
    "break_even",
    "container",
    "container_usd",
    "ec2",
    "fargate",
    "provisioned_usd",
    "replicas_needed",
    "serverless_usd",
    "serverless_usd_per_hour",
    "vm",
    "vm_usd",
]
