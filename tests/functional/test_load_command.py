"""`workbench load` as a user runs it: live line, Ctrl-C, recordings, the closed loop, and what it says of itself."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.functional.stalling_server import stalling_server

COMMAND = [sys.executable, "-P", "-m", "workbench.cli", "load"]
NEVER_S = 1e6


def load(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)


def test_ctrl_c_ends_the_live_line_and_prints_what_there_is() -> None:
    screen = b""
    interrupted = threading.Event()
    with stalling_server(NEVER_S, 0) as server:
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            [*COMMAND, server.url, "--duration", "300"], stdout=subprocess.PIPE, stderr=theirs, stdin=theirs
        ) as process:
            os.close(theirs)
            while True:
                try:
                    screen += os.read(ours, 4096)
                except OSError:  # the terminal's other side is gone
                    break
                if b"s left" in screen and not interrupted.is_set():
                    interrupted.set()
                    process.send_signal(signal.SIGINT)
            os.close(ours)
            assert process.stdout is not None
            said = process.stdout.read().decode()
        assert process.returncode == 130
    assert b"p50" in screen
    assert b"0 errors" in screen
    assert "Not complete" in said
    assert "p99_ms" in said


def test_a_recording_is_played_and_its_warm_up_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "noon.csv"
    file.write_text("time\n" + "".join(f"2026-01-31T12:00:{k // 10:02}.{k % 10}00Z\n" for k in range(40)))
    with stalling_server(NEVER_S, 0) as server:
        done = load(server.url, "--arrivals", str(file), "--speed", "4", "--warmup", "0.5", "--json")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert (found["ok"], found["warmup"]["ok"]) == (20, 20)
        assert found["arrivals"]["source"] == "recorded in noon.csv, played 4 times as fast"
        assert (found["complete"], found["interrupted"]) == (True, False)
        text = load(server.url, "--arrivals", str(file), "--speed", "4", "--warmup", "0.5").stdout
    assert "recorded in noon.csv" in text
    assert "Warm-up, apart: 20 sent" in text
    assert "kept_up" in text
    assert "dropped  0" in text


def test_what_each_request_brings_can_be_said(tmp_path: Path) -> None:
    seen: list[tuple[str, str, bytes, dict[str, str]]] = []

    class Keeps(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.command, self.path, body, dict(self.headers)))
            self.send_response(204)
            self.end_headers()

        do_POST = do_PUT

        def log_message(self, *_: object) -> None:
            pass

    order = tmp_path / "order.json"
    order.write_text('{"sku": "A1"}')
    server = ThreadingHTTPServer(("127.0.0.1", 0), Keeps)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/orders?n=1"
        short = ("--arrivals", "constant", "--rate", "10", "--duration", "0.5", "--json")
        done = load(url, "--data", f"@{order}", "--header", "X-Till: 7", *short)
        assert (done.returncode, json.loads(done.stdout)["ok"]) == (0, 5), done.stderr
        done = load(url, "--method", "put", "--data", "tea", "--header", "content-type: text/plain", "--closed", "1")
        assert done.returncode == 0, done.stderr
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    posted, put = seen[:5], seen[5:]
    assert {one[:3] for one in posted} == {("POST", "/orders?n=1", b'{"sku": "A1"}')}
    assert {(one[3]["X-Till"], one[3]["Content-Type"]) for one in posted} == {("7", "application/json")}
    assert {(*one[:3], one[3]["content-type"]) for one in put} == {("PUT", "/orders?n=1", b"tea", "text/plain")}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--method", "GE T"), "method is 'GE T'"),
        (("--data", "@nowhere.json"), "nowhere.json"),
        (("--header", "no colon"), "'no colon'; write it as 'Name: value'"),
        (("--header", "X: a\nY: b"), "write it as 'Name: value'"),
    ],
)
def test_what_cannot_be_sent_is_said_before_anything_is(arguments: tuple[str, str], said: str) -> None:
    done = load("http://127.0.0.1:9/", *arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_azure_like_arrivals_are_labelled_as_modelled() -> None:
    with stalling_server(NEVER_S, 0) as server:
        text = load(server.url, "--arrivals", "azure", "--rate", "100", "--duration", "1").stdout
    assert "modelled after Shahrad" in text


def test_a_closed_loop_says_what_it_hides() -> None:
    with stalling_server(NEVER_S, 0) as server:
        done = load(server.url, "--closed", "2", "--duration", "0.5")
        assert done.returncode == 0, done.stderr
        assert "A demonstration" in done.stdout
        assert "lateness" not in done.stdout
        refused = load(server.url, "--closed", "2", "--rate", "5")
    assert refused.returncode == 1
    assert "plans nothing" in refused.stderr


def test_somebody_elses_service_is_refused_where_nobody_can_be_asked() -> None:
    done = load("http://example.com/", "--duration", "1")
    assert done.returncode == 1
    assert "--allow-remote" in done.stderr
    assert not done.stdout


def test_at_a_terminal_the_user_is_asked_and_no_is_the_default() -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "http://example.com/", "--duration", "1"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        os.write(ours, b"\n")
        out, err = process.communicate(timeout=60)
    os.close(theirs)
    os.close(ours)
    assert b"may it be loaded? [y/N]" in err
    assert b"not this machine" in err
    assert process.returncode == 1
    assert not out.strip()
