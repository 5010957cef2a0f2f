"""The clients: one request at a time for cold starts, `wrk` for load, and `hey` for load at a rate.

They are the same for every contender and far cheaper than what they measure. `wrk` (Debian's package), written in C,
takes a small part of one core at rates where a Python client would need all of it. `hey` (Debian's, too), written in
Go, is what many take to load at a rate.
"""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.handlers import BODY


@dataclass(frozen=True)
class Request:
    """A POST of the event to `url`."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What came back, and the milliseconds from the first byte sent to the last one read."""

    ms: float
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Load:
    """What a closed loop of some connections reached."""

    per_second: float
    p50_ms: float
    p99_ms: float


class Caller:
    """One request at a time to one server, each on a connection made before its clock starts."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)

    def call(self, request: Request) -> Answer:
        """Send the request and wait for its answer."""
        self._connection.close()  # between two cold starts a server may have hung up: Node's does after five seconds
        self._connection.connect()
        path = urlsplit(request.url).path
        started = time.perf_counter()
        self._connection.request("POST", path, BODY, dict(request.headers))
        answer = self._connection.getresponse()
        body = answer.read()
        return Answer((time.perf_counter() - started) * 1000, answer.status, dict(answer.headers), body)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


# wrk's own summary is for people; its `done` hook gives the numbers. Latencies are in microseconds.
_SCRIPT = """
wrk.method = "POST"
wrk.body = {body}
{headers}
done = function(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format('\\n{{"requests": %d, "us": %d, "p50_us": %d, "p99_us": %d, "failed": %d}}\\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


def closed_loop(request: Request, connections: int, seconds: int) -> Load:
    """Each of `connections` sends again as soon as it is answered; AssertionError when one is not, or not 2xx."""
    headers = "\n".join(f"wrk.headers[{_lua(name)}] = {_lua(value)}" for name, value in request.headers.items())
    with tempfile.TemporaryDirectory(prefix="wrk-") as directory:
        script = Path(directory, "post.lua")
        script.write_text(_SCRIPT.format(body=_lua(BODY.decode()), headers=headers))
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(script)]
        done = subprocess.run([*command, request.url], capture_output=True, text=True, timeout=seconds + 60)
    assert done.returncode == 0, f"wrk failed: {done.stderr.strip() or done.stdout.strip()[-300:]}"
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert found["failed"] == 0, f"{found['failed']} of {found['requests']} requests to {request.url} failed"
    assert found["requests"] > 0, f"{request.url} answered nothing in {seconds} s"
    return Load(found["requests"] / (found["us"] / 1e6), found["p50_us"] / 1000, found["p99_us"] / 1000)


def paced_loop(request: Request, connections: int, per_second: int, seconds: int) -> Load:
    """`hey`: each of `connections` sends its share of `per_second` a second, but waits for each answer first.

    AssertionError when a request is not answered, or not 2xx.
    """
    headers = [part for name, value in request.headers.items() for part in ("-H", f"{name}: {value}")]
    command = ["hey", "-z", f"{seconds}s", "-c", str(connections), "-q", str(per_second // connections), *headers]
    command += ["-t", "30", "-m", "POST", "-d", BODY.decode(), request.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    assert done.returncode == 0, f"hey failed: {done.stderr.strip() or done.stdout.strip()[-300:]}"
    said = done.stdout
    failed = [code for code in re.findall(r"^ +\[(\d+)\]\s+\d+ responses", said, re.M) if code[0] != "2"]
    assert not failed, f"hey was answered {', '.join(failed)} by {request.url}"
    assert "Error distribution" not in said, said[said.index("Error distribution") :]
    p50_s, p99_s = (float(_only(rf"^ +{q}%+ in ([\d.]+) secs", said)) for q in (50, 99))
    return Load(float(_only(r"^ +Requests/sec:\s+([\d.]+)", said)), p50_s * 1000, p99_s * 1000)


def _only(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.M)
    assert found is not None, f"hey did not say {pattern}: {text}"
    return found[1]


def _lua(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
