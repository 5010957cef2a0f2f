"""What reserved capacity costs: containers on Fargate and virtual machines on EC2, by the hour, used or not."""

from __future__ import annotations

import math
from dataclasses import dataclass

from workbench.cost.lines import Cost, Line, line
from workbench.cost.prices import PriceBook, Size
from workbench.errors import WorkbenchError
from workbench.service import Resources

VM_RESERVE_MB = 200
"""Memory left to a VM's operating system: an assumption of ours, not a figure of the provider's."""


@dataclass(frozen=True)
class Hosting:
    """What one instance of a service is rented as, and its price an hour in US dollars, line by line."""

    kind: str  # "container" or "vm"
    size: Size
    hourly: tuple[Line, ...]
    minimum_s: float

    @property
    def usd_per_hour(self) -> float:
        """US dollars an hour of one instance."""
        return math.fsum(entry.usd for entry in self.hourly)

    def usd(self, hours: float = 1.0, replicas: int = 1) -> Cost:
        """`replicas` instances for `hours`; each start is billed for the provider's minimum (a minute) at least."""
        if not math.isfinite(hours) or hours < 0 or replicas < 0:
            raise WorkbenchError(f"{replicas} instances for {hours:g} h cannot be billed; both must be 0 or more.")
        billed = max(hours, self.minimum_s / 3600) if hours > 0 else 0.0
        each = f" × {replicas} instances × {billed:,.6g} h"
        return Cost(
            f"{replicas} × {self.size.name} for {billed:,.6g} h",
            tuple(
                Line(entry.item, entry.usd * replicas * billed, entry.formula + each, entry.source, entry.status)
                for entry in self.hourly
            ),
        )


def container(resources: Resources, *, architecture: str = "x86", book: PriceBook | None = None) -> Hosting:
    """The cheapest Fargate size that holds one instance: its memory, and the CPU share it would have on Lambda."""
    prices = book or PriceBook.load()
    sizes = [s for s in prices.fargate_sizes if s.memory_mb >= resources.memory_mb and s.vcpus >= resources.vcpus]
    if not sizes:
        raise WorkbenchError(f"No Fargate size holds {resources.memory_mb} MB and {resources.vcpus:.2f} vCPU.")
    return min((fargate(s, architecture=architecture, book=prices) for s in sizes), key=lambda h: h.usd_per_hour)


def fargate(size: Size, *, architecture: str = "x86", book: PriceBook | None = None) -> Hosting:
    """One task of this Fargate size; a GB is 1,024 MB."""
    prices = book or PriceBook.load()
    cpu, memory = prices.price(f"fargate.{architecture}.vcpu_h"), prices.price(f"fargate.{architecture}.gb_h")
    gb = size.memory_mb / 1024
    lines = (
        line("container CPU", size.vcpus, f"{size.vcpus:g} vCPU", cpu),
        line("container memory", gb, f"{gb:g} GB", memory),
    )
    return Hosting("container", size, lines, max(cpu.minimum_s, memory.minimum_s))


def vm(resources: Resources, *, architecture: str = "x86", book: PriceBook | None = None) -> Hosting:
    """The cheapest listed EC2 type that holds one instance of the service and its operating system.

    A burstable type counts with the vCPUs it may burst to; the line says what it sustains, and a surplus is not priced.
    """
    prices = book or PriceBook.load()
    needed = resources.memory_mb + VM_RESERVE_MB
    fitting = [
        ec2(size.name, book=prices)
        for size in prices.vm_types
        if size.architecture == architecture
        and size.memory_mb >= needed
        and size.vcpus >= resources.vcpus
        and f"ec2.{size.name}.h" in prices.prices
    ]
    if not fitting:
        raise WorkbenchError(
            f"No listed {architecture} VM type holds {needed} MB and {resources.vcpus:.2f} vCPU. "
            "Add one to the price book with its source, or ask for less memory."
        )
    return min(fitting, key=lambda hosting: hosting.usd_per_hour)


def ec2(name: str, *, book: PriceBook | None = None) -> Hosting:
    """One instance of the EC2 type `name`; raises WorkbenchError when the book lacks it."""
    prices = book or PriceBook.load()
    size = next((size for size in prices.vm_types if size.name == name), None)
    if size is None:
        known = ", ".join(size.name for size in prices.vm_types)
        raise WorkbenchError(f"The price book has no VM type {name!r}. It has {known}.")
    price = prices.price(f"ec2.{name}.h")
    burst = "" if size.baseline_vcpus >= size.vcpus else f" (burstable: sustains {size.baseline_vcpus:g} vCPU)"
    return Hosting("vm", size, (line("virtual machine", 1, f"1 {name}{burst}", price),), price.minimum_s)


def container_usd(
    resources: Resources,
    hours: float = 1.0,
    replicas: int = 1,
    *,
    architecture: str = "x86",
    book: PriceBook | None = None,
) -> Cost:
    """`replicas` containers for `hours` on the cheapest Fargate size that holds one; see `container`."""
    return container(resources, architecture=architecture, book=book).usd(hours, replicas)


def vm_usd(
    resources: Resources,
    hours: float = 1.0,
    replicas: int = 1,
    *,
    architecture: str = "x86",
    book: PriceBook | None = None,
) -> Cost:
    """`replicas` virtual machines for `hours` of the cheapest listed type that holds one instance; see `vm`."""
    return vm(resources, architecture=architecture, book=book).usd(hours, replicas)


def replicas_needed(rate_per_h: float, max_rate_per_s: float | None = None, minimum: int = 1) -> int:
    """Instances that a steady `rate_per_h` needs when one serves `max_rate_per_s` at most (None: one serves all)."""
    if max_rate_per_s is None:
        return minimum
    if max_rate_per_s <= 0:
        raise WorkbenchError("An instance that serves no request a second can serve no load. Measure its highest rate.")
    # Less a hair: a rate that fills n instances exactly needs n, whatever the quotient's last bit.
    return max(minimum, math.ceil(rate_per_h / (max_rate_per_s * 3600) - 1e-9))
