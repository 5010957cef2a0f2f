"""Warm invocations over HTTP: rate on eight connections and median on one, platform and peers in turn.

A closed loop on kept-alive connections, a few seconds each, in rounds A B C A B C. Each round gives one ratio; what
counts is their median, with its interval from order statistics (of seven rounds: the least and the greatest).

serverless-offline is measured with the same Python handler, and with Node's, which it runs in its own process.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.bench.clients import Load, closed_loop
from tests.bench.contenders import Contender, MiniStack, ServerlessOffline, Workbench, called
from tests.bench.scoreboard import Line, Scoreboard, Target, at_least, at_most
from tests.functional.faas.platform import Platform
from tests.needs import needs
from workbench.statistics import Estimate, interval, percentile

ROUNDS = 7
WARM_UP_S, MEDIAN_S, RATE_S = 2, 2, 3
CONNECTIONS = 8


@dataclass(frozen=True)
class Round:
    """What one contender reached in one round."""

    one: Load
    many: Load


@needs("namespaces", "wrk")
@pytest.mark.timeout(900)
def test_warm_invocations(
    platform: Platform,
    ministack: MiniStack | None,
    serverless_offline: list[ServerlessOffline],
    scoreboard: Scoreboard,
) -> None:
    ours = Workbench(platform, "workbench")
    peers: list[Contender] = [*serverless_offline, *([ministack] if ministack else [])]
    rounds = _in_turn([ours, *peers])
    lines = []
    for peer in peers:
        offline = isinstance(peer, ServerlessOffline)
        lines.append(_rate(rounds, peer, at_least(1.5 if offline else 20)))
        lines.append(_median(rounds, peer, at_most(1) if offline else None))
    for line in lines:
        scoreboard.add(line)
    scoreboard.check(lines)


def _in_turn(contenders: list[Contender]) -> dict[str, list[Round]]:
    for contender in contenders:
        with called(contender):
            closed_loop(contender.warm(), CONNECTIONS, WARM_UP_S)
    found: dict[str, list[Round]] = {contender.name: [] for contender in contenders}
    for _ in range(ROUNDS):
        for contender in contenders:
            with called(contender):
                one = closed_loop(contender.warm(), 1, MEDIAN_S)
                many = closed_loop(contender.warm(), CONNECTIONS, RATE_S)
            found[contender.name].append(Round(one, many))
    return found


def _rate(rounds: dict[str, list[Round]], peer: Contender, target: Target | None) -> Line:
    ours, theirs = ([r.many.per_second for r in rounds[name]] for name in ("workbench", peer.name))
    what = f"warm rate, {CONNECTIONS} connections"
    texts = (f"{percentile(values, 50):,.0f}/s" for values in (ours, theirs))
    return Line(what, next(texts), peer.name, next(texts), _by_round(ours, theirs), target)


def _median(rounds: dict[str, list[Round]], peer: Contender, target: Target | None) -> Line:
    ours, theirs = ([r.one.p50_ms for r in rounds[name]] for name in ("workbench", peer.name))
    texts = (f"{percentile(values, 50):.2f} ms" for values in (ours, theirs))
    return Line("warm p50, 1 connection", next(texts), peer.name, next(texts), _by_round(ours, theirs), target)


def _by_round(ours: list[float], theirs: list[float]) -> Estimate:
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    low, high = interval(ratios, 50)
    assert low is not None, "too few rounds for an interval"
    assert high is not None, "too few rounds for an interval"
    return Estimate(percentile(ratios, 50), low, high)
