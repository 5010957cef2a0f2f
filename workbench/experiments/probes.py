"""The questions one instance asks about its neighbour and its own walls; each answer is seen from the inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from workbench.deployment import Deployment
from workbench.errors import WorkbenchError
from workbench.experiments.probing import ask

CROWD = 300
"""More than an instance may have: a sandbox allows 256 processes and threads."""

Answer = tuple[bool | None, str]


@dataclass(frozen=True)
class Probe:
    """One question; `held`: whether the wall held, None when it could not be tried; `observed`: what was seen."""

    name: str
    question: str
    held: bool | None
    observed: str

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Pair:
    """A victim and its neighbour; `planted` and `victim_is` are what each says about itself."""

    victim: Deployment
    neighbour: Deployment
    secret: str
    planted: dict[str, Any]
    victim_is: dict[str, Any]

    @property
    def share_pids(self) -> bool:
        """Whether a process number means the same process to both."""
        return self.shares("pid")

    def shares(self, kind: str) -> bool:
        """Whether both are in the same namespace of this kind."""
        same = bool(self.planted["namespaces"].get(kind) == self.victim_is["namespaces"].get(kind))
        return same and not self._have_kernels_of_their_own()

    def _have_kernels_of_their_own(self) -> bool:
        # Each kernel counts its namespaces for itself, so the numbers of two are alike. Where a kernel (gVisor's) tells
        # no boot id: within one namespace a process number is given once.
        boots = self.planted.get("boot", ""), self.victim_is.get("boot", "")
        if not any(boots):
            return bool(self.planted.get("pid") == self.victim_is.get("pid"))
        return bool(boots[0] != boots[1])


def result_of(name: str, question: str, look: Callable[[], Answer]) -> Probe:
    """Ask one question; an invocation that fails leaves it open, with the reason."""
    try:
        held, observed = look()
    except WorkbenchError as error:
        return Probe(name, question, None, f"not tried: {str(error).splitlines()[0]}")
    return Probe(name, question, held, observed)


def look_around(pair: Pair) -> list[Probe]:
    """Everything the victim can find out about and do to its neighbour without harming it."""
    questions: tuple[tuple[str, str, Callable[[Pair], Answer]], ...] = (
        ("processes", "Are its neighbour's processes hidden from it?", _processes),
        ("environment", "Are its neighbour's environment variables (its secrets) hidden from it?", _environment),
        ("memory", "Is its neighbour's memory closed to it?", _memory),
        ("signals", "Is it kept from signalling its neighbour's process?", _signals),
        ("files", "Are its neighbour's temporary files closed to it?", _files),
        ("ports", "Are its neighbour's own ports closed to it?", _ports),
        ("root file system", "Is the file system it runs on protected from it?", _root),
    )
    return [result_of(name, question, lambda look=look: look(pair)) for name, question, look in questions]  # type: ignore[misc]


def process_limit(probe: Deployment) -> Answer:
    """Start more threads than an instance may have processes and threads."""
    started = int(ask(probe, "crowd", members=CROWD)["started"])
    if started >= CROWD:
        return False, f"started {started} threads at once, and none was refused"
    return True, f"{started} threads were allowed, no more"


def tmp_limit(probe: Deployment) -> Answer:
    """Look at the size of /tmp; it is not filled, for without a limit that would fill this machine's disk."""
    limit, size = probe.service.resources.tmp_mb, ask(probe, "whoami")["tmp_mb"]
    if size is None:
        return None, "this machine does not tell the size of /tmp"
    return bool(size <= limit), f"its /tmp is a file system of {size:,} MB; {limit} MB were asked for"


def _processes(pair: Pair) -> Answer:
    seen = ask(pair.victim, "processes", secret=pair.planted["instance"] or pair.secret)
    count = len(seen["pids"])
    if count == 0:
        return None, "this machine does not list processes under /proc"
    if (pair.share_pids and pair.planted["pid"] in seen["pids"]) or seen["secret_in"]:
        return False, f"sees {count} processes, its neighbour's among them"
    return True, f"sees {_processes_in_words(count)}, none of them its neighbour's"


def _processes_in_words(count: int) -> str:
    return f"{count or 'no'} {'process' if count == 1 else 'processes'}"


def _environment(pair: Pair) -> Answer:
    seen = ask(pair.victim, "processes", secret=pair.secret)
    if not seen["pids"]:
        return None, "this machine does not list processes under /proc"
    if seen["secret_in"]:
        first = seen["secret_in"][0]
        return False, f"read its neighbour's secret in /proc/{first['pid']}/{first['place']}"
    return True, f"looked at {_processes_in_words(len(seen['pids']))}, the secret is in none"


def _memory(pair: Pair) -> Answer:
    got = ask(
        pair.victim,
        "read_memory",
        pid=pair.planted["pid"],
        address=pair.planted["address"],
        secret=pair.secret,
        same_pids=pair.share_pids,
    )
    if got["read"]:
        return False, f"read its neighbour's secret out of the memory of process {got['pid']}"
    if not pair.share_pids:
        return True, f"sees {_processes_in_words(got['tried'])} besides itself, none with the secret in its memory"
    return True, f"was refused: {got['refused']}"


def _signals(pair: Pair) -> Answer:
    got = ask(pair.victim, "signal", pid=pair.planted["pid"], same_pids=pair.share_pids)
    if got["allowed"]:
        return False, f"may signal process {pair.planted['pid']}, its neighbour's (signal 0: nothing was done to it)"
    return True, f"may not: {got['reason']}"


def _files(pair: Pair) -> Answer:
    got = ask(pair.victim, "read_files", path=pair.planted["file"], secret=pair.secret)
    if got["found"]:
        return False, f"read its neighbour's file {got['found'][0]}"
    return True, f"its neighbour's {pair.planted['file']} is not there for it"


def _ports(pair: Pair) -> Answer:
    wanted = addresses_of(pair.neighbour, pair.planted, pair.victim)
    if not wanted:
        return None, "the neighbour listens nowhere that it knows of"
    got = ask(pair.victim, "connect", addresses=wanted)
    reached = [address for address in got["reached"] if not is_own(address, pair.victim_is, pair)]
    others = len(got["visible_reached"])
    if reached:
        host, port = reached[0]
        return False, f"connected to its neighbour at {host}:{port} ({others} listening ports in sight)"
    return True, f"none of its neighbour's {len(wanted)} addresses answered ({others} listening ports in sight)"


def is_own(address: Sequence[Any], facts: Mapping[str, Any], pair: Pair) -> bool:
    """Whether an address leads whoever says `facts` back to itself: reaching itself proves nothing.

    In a network of its own, loopback is its own, and so is an address that every instance has (10.0.2.15 in QEMU).
    """
    host, port = str(address[0]), address[1]
    if pair.shares("net"):
        return False
    return (host.startswith("127.") or host in facts.get("addresses", ())) and port in {
        port for _, port in facts["listeners"]
    }


def addresses_of(deployment: Deployment, facts: dict[str, Any], seen_from: Deployment) -> list[list[Any]]:
    """Where one may be reached: its listeners (of `facts`) on loopback and on its own addresses, and its endpoint."""
    found: list[list[Any]] = []
    for host, port in facts["listeners"]:
        hosts = ["127.0.0.1", *facts["addresses"]] if host == "0.0.0.0" else [host]
        found += [[h, port] for h in hosts]
    endpoint = urlsplit(deployment.endpoint)
    # Where every service has the same endpoint, it is the platform's and meant to be reached.
    if endpoint.port and deployment.endpoint != seen_from.endpoint:
        found.append([endpoint.hostname, endpoint.port])
    return [address for place, address in enumerate(found) if address not in found[:place]]


def _root(pair: Pair) -> Answer:
    got = ask(pair.victim, "write_root")
    if got["writable"]:
        return False, f"may write to {', '.join(got['writable'])}"
    return True, "may not write to /, /etc, /usr or its own code"
