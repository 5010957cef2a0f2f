"""TEST DATA: a run that nobody measured, shaped like a real one, for tests of charts and report. Never ship it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from workbench import tradeoff
from workbench.records import Measurement, Provenance, Run
from workbench.statistics import bootstrap_ratio, interval, percentile

SEED = 7
DEPLOYMENTS = {"serverless": "namespaces", "container": "docker", "vm": "process"}
PHASES = {
    "serverless": {"sandbox": 4.1, "runtime_init": 2.2, "function_init": 9.0, "handler": 0.4},
    "container": {"sandbox": 290.0, "runtime_init": 44.0, "function_init": 11.0, "handler": 0.5},
    "vm": {"sandbox": 18.0, "runtime_init": 42.0, "function_init": 10.0, "handler": 0.5},
}
PROBES = (
    ("see_neighbour_processes", "Can it see its neighbour's processes?"),
    ("read_neighbour_files", "Can it read its neighbour's files?"),
    ("write_root", "Can it write to its own root file system?"),
    ("reach_neighbour_port", "Can it reach its neighbour's ports on this machine?"),
    ("signal_neighbour", "Can it signal its neighbour's processes?"),
    ("exceed_memory", "Can it take more memory than its limit?"),
    ("fork_bomb", "Can it start more processes than its limit?"),
)
HELD: dict[str, tuple[bool | None, ...]] = {
    "serverless": (True, True, True, True, True, True, True),
    "container": (True, True, False, False, True, True, None),
    "vm": (False, False, False, False, False, None, None),
}


def made_up_run(samples: int = 20, seed: int = SEED, name: str = "pricing") -> Run:
    """A whole run of all three deployments and all five experiments; made up, not measured."""
    draw = random.Random(seed)
    found: list[Measurement] = []
    for deployment in DEPLOYMENTS:
        found.append(cold_start(draw, deployment, samples))
        found.append(scaling(draw, deployment))
        found.append(isolation(draw, deployment))
        found.append(delivery(draw, deployment))
        found.append(cost(deployment))
    service = {
        "name": name,
        "handler": "app.handler",
        "runtime": "python3.11",
        "memory_mb": 1769,
        "vcpus": 1.0,
        "package_sha256": "ab" * 32,
        "package_bytes": 18_211,
    }
    environment = {
        "cpu": "Test Processor 3000 @ 2.1GHz",
        "cores": 2,
        "memory_mb": 24_105,
        "kernel": "6.1.0-test",
        "python": "3.11.2",
        "versions": {"deployment-workbench": "0.1.0", "awslambdaric": "3.0.0", "boto3": "1.40.0", "docker": "26.1.5"},
        "isolation": DEPLOYMENTS,
        "notes": ["TEST DATA: nobody measured this."],
    }
    run = Run(service, environment, tuple(found), created="2026-08-01T10:00:00+00:00")
    return Run(service, environment, run.measurements, tradeoff.table(run), run.created)


def _measurement(
    experiment: str, deployment: str, unit: str, samples: list[float], detail: Mapping[str, Any], kind: Any = "measured"
) -> Measurement:
    how = {"cold_start": "client's clock, call to first answer", "scaling": "open loop from a process of its own"}
    provenance = Provenance(kind, how.get(experiment, "made up for tests"))
    if kind == "modelled":
        provenance = Provenance(kind, "list prices × measured durations", "price book", "2026-08-01")
    return Measurement(experiment, deployment, DEPLOYMENTS[deployment], unit, tuple(samples), provenance, detail=detail)


def cold_start(draw: random.Random, deployment: str, samples: int) -> Measurement:
    phases = {
        phase: [middle * draw.lognormvariate(0, 0.12) for _ in range(samples)]
        for phase, middle in PHASES[deployment].items()
    }
    total = [sum(parts) + 1.5 * draw.lognormvariate(0, 0.3) for parts in zip(*phases.values(), strict=True)]
    warm = [0.9 * draw.lognormvariate(0, 0.2) for _ in range(samples)]
    detail = {
        "p50_ms": percentile(total, 50),
        "p95_ms": percentile(total, 95),
        "ci95_ms": list(interval(total, 50)),
        "phases_ms": phases,
        "instances": [f"{deployment}-{i}" for i in range(samples)],
        "warm_ms": warm,
        "warm_p50_ms": percentile(warm, 50),
    }
    return _measurement("cold_start", deployment, "ms", total, detail)


def scaling(draw: random.Random, deployment: str, rate: float = 60.0, duration: float = 8.0) -> Measurement:
    recovery = {"serverless": 0.5, "container": 3.2, "vm": 99.0}[deployment]
    planned = [i / rate for i in range(int(rate * duration))]
    latency: list[float | None] = []
    status = []
    for at in planned:
        slow = max(0.0, recovery - at) / max(recovery, 1)
        if deployment == "serverless" and at < 0.3 and draw.random() < 0.4:
            latency.append(None)
            status.append("throttled")
        elif deployment == "vm" and at > 6 and draw.random() < 0.05:
            latency.append(None)
            status.append("timeout")
        else:
            growth = 1 + at / 2 if deployment == "vm" else 1
            latency.append((12 + 900 * slow * min(growth, 3)) * draw.lognormvariate(0, 0.25))
            status.append("ok")
    answered = [value for value in latency if value is not None]
    peak = {"serverless": 9, "container": 4, "vm": 1}[deployment]
    instances = [[0.0, 1]] + [[recovery * i / peak, 1 + i] for i in range(1, peak)]
    counts = {s: status.count(s) for s in dict.fromkeys(status)}
    detail = {
        "rate_per_s": rate,
        "duration_s": duration,
        "planned_s": planned,
        "latency_ms": latency,
        "status": status,
        "goal_ms": 250.0,
        "time_to_goal_s": recovery if recovery < duration else None,
        "instances": instances,
        "counts": counts,
        "p50_ms": percentile(answered, 50),
        "p95_ms": percentile(answered, 95),
        "p99_ms": percentile(answered, 99),
        "ci95_p99_ms": list(interval(answered, 99)),
        "lateness_p99_ms": 0.8,
        "kept_up": True,
        "start_instances": 1,
        "peak_instances": peak,
    }
    return _measurement("scaling", deployment, "ms", answered, detail)


def isolation(draw: random.Random, deployment: str) -> Measurement:
    effect = {"serverless": 1.02, "container": 1.3, "vm": 2.1}[deployment]
    alone = [5 * draw.lognormvariate(0, 0.1) for _ in range(80)]
    beside = [5 * effect * draw.lognormvariate(0, 0.15) for _ in range(80)]
    ratio = bootstrap_ratio(beside, alone)
    held = HELD[deployment]
    answers = {True: "no: refused", False: "yes: it worked", None: "nothing here can tell"}
    detail = {
        "probes": [
            {"name": probe, "question": question, "held": held[i], "observed": answers[held[i]]}
            for i, (probe, question) in enumerate(PROBES)
        ],
        "held": sum(h is True for h in held),
        "tried": sum(h is not None for h in held),
        "noisy": {
            "alone_ms": alone,
            "beside_ms": beside,
            "ratio_p50": ratio.value,
            "ci95_ratio_p50": [ratio.low, ratio.high],
            "ratio_p95": percentile(beside, 95) / percentile(alone, 95),
        },
    }
    return _measurement("isolation", deployment, "ms", beside, detail)


def delivery(draw: random.Random, deployment: str) -> Measurement:
    middle = {"serverless": 0.2, "container": 1.1, "vm": 0.6}[deployment]
    samples = [middle * draw.lognormvariate(0, 0.1) for _ in range(3)]
    detail = {
        "package_s": [0.02, 0.02, 0.02],
        "update_s": [s * 0.8 for s in samples],
        "failed_while_updating": 0,
        "asked_while_updating": 40,
        "recovery_s": [middle / 2] * 3,
        "telemetry": {"cpu": True, "memory": True, "logs": True},
        "languages": {
            "python": {"works": True, "answer": "made up"},
            "node": {"works": deployment != "vm", "answer": "made up"},
        },
        "cpu_share": {"expected": 1.0, "measured": 0.98},
        "memory_limit": {"limit_mb": 1769, "reached_mb": 1760, "held": deployment != "vm"},
    }
    return _measurement("delivery", deployment, "s", samples, detail)


def cost(deployment: str) -> Measurement:
    fixed = {"serverless": 0.0, "container": 0.04937, "vm": 0.0208}[deployment]
    capacity = {"serverless": 1e12, "container": 200_000, "vm": 150_000}[deployment]
    rates = [10 ** (i / 8) for i in range(57)]

    def usd(rate: float) -> float:
        return rate * 1.0333e-6 if not fixed else fixed * max(1, -(-rate // capacity))

    against = {"container": 47_779.0, "vm": 20_130.0}
    crossing = [{"against": a, "rate_per_h": r, "low": r * 0.93, "high": r * 1.08} for a, r in against.items()]
    detail = {
        "price_book_date": "2026-08-01",
        "rule": "1 ms steps, INIT billed",
        "inputs": {"billed_ms": 5.0, "memory_mb": 1769},
        "usd_per_million": usd(10_000) / 10_000 * 1e6,
        "at_rate_per_h": 10_000,
        "hourly_usd_by_rate": [[rate, usd(rate)] for rate in rates],
        "break_even": crossing if deployment == "serverless" else [],
        "lines": [
            {
                "item": "compute",
                "usd": usd(10_000),
                "formula": "requests × GB-s × price",
                "source": "price page",
                "status": "secondary",
            }
        ],
    }
    return _measurement("cost", deployment, "usd", [usd(10_000) / 10_000 * 1e6], detail, "modelled")
