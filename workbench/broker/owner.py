"""The process that owns a RabbitMQ node: `python -m workbench.broker.owner DIRECTORY`, the password on standard input.

It starts Erlang's port mapper and the node, both on loopback ports of their own, says `{"port": N}` when clients are
served, and waits. At the end of its standard input, which is the end of who started it, it ends both and removes the
directory. They end with it, too, when it is killed: the kernel sends them SIGKILL (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from workbench import capabilities
from workbench.broker.broker import FAREWELL
from workbench.session import VARIABLE, remove_session_dir_of_the_dead

READY_WITHIN_S = 60.0
_PR_SET_PDEATHSIG = 1
_ERL = "+S 1:1 +sbwt none -noinput -kernel inet_dist_use_interface {127,0,0,1}"
"""One scheduler that does not wait busily, no shell, and the node's own port on loopback."""


def main(home: Path) -> int:
    """Own a node in `home` until standard input ends; 1 when it does not start."""
    password = os.read(0, 1024).decode().strip()
    amqp, distribution, mapper = _free_ports(3)
    environment = _environment(home, password, amqp, distribution, mapper)
    children: list[subprocess.Popen[bytes]] = []
    try:
        with (home / "log").open("wb") as log:
            commands = (["epmd", "-port", str(mapper), "-address", "127.0.0.1"], [str(capabilities.rabbitmq_program())])
            for command in commands:
                children.append(_child(command, environment, home, log.fileno()))
        if not _serves(amqp, children):
            return 1
        print(json.dumps({"port": amqp}), flush=True)
        _wait(children)
        return 0
    finally:
        for child in reversed(children):
            child.kill()
            child.wait()
        shutil.rmtree(home, ignore_errors=True)
        if not _farewell():
            remove_session_dir_of_the_dead()


def _environment(home: Path, password: str, amqp: int, distribution: int, mapper: int) -> dict[str, str]:
    """Everything that the node reads, so that no setting of this machine's is used (RabbitMQ, "Configuration")."""
    (home / "rabbitmq.conf").write_text(
        f"default_user = workbench\ndefault_pass = {password}\nlisteners.tcp.1 = 127.0.0.1:{amqp}\n"
        "log.console = true\nlog.file = false\n"
    )
    (home / "rabbitmq.conf").chmod(0o600)
    (home / "plugins").write_text("[].\n")
    return {
        "PATH": f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin",
        "HOME": str(home),  # where the node keeps its cookie
        "LANG": "C.UTF-8",
        VARIABLE: os.environ.get(VARIABLE, ""),
        "ERL_EPMD_PORT": str(mapper),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_CRASH_DUMP_SECONDS": "0",
        "RABBITMQ_ALLOW_INPUT": "1",  # the start script becomes the node, so that the child is the node itself
        "RABBITMQ_CONF_ENV_FILE": os.devnull,
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
        "RABBITMQ_FEATURE_FLAGS_FILE": str(home / "feature_flags"),
        "RABBITMQ_PLUGINS_EXPAND_DIR": str(home / "expanded"),
        "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
        "RABBITMQ_LOG_BASE": str(home / "logs"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_PID_FILE": str(home / "pid"),
        "RABBITMQ_NODENAME": f"{home.name}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(amqp),
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERL,
    }


def _child(command: list[str], environment: dict[str, str], home: Path, log: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, env=environment, cwd=home, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=_end_with_us
    )


def _end_with_us() -> None:
    # Tells of the end of the thread that started it: here the main thread, which is the process's last.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _free_ports(count: int) -> list[int]:
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in taken]
    for one in taken:
        one.close()
    return ports


def _serves(port: int, children: list[subprocess.Popen[bytes]]) -> bool:
    """Whether a client is served in time; False as soon as a child or who started us has ended."""
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and all(child.poll() is None for child in children):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as client:
                client.settimeout(5)
                client.sendall(b"AMQP\x00\x00\x09\x01")  # the header of AMQP 0-9-1; the answer is its first method
                if client.recv(1) == b"\x01":
                    return True
        except OSError:
            pass
        if select.select([0], [], [], 0.1)[0]:
            return False
    return False


def _wait(children: list[subprocess.Popen[bytes]]) -> None:
    while all(child.poll() is None for child in children):
        if select.select([0], [], [], 1.0)[0]:
            return


def _farewell() -> bool:
    """Whether who started us has ended this in good order, or still lives."""
    return not select.select([0], [], [], 0)[0] or os.read(0, len(FAREWELL)) == FAREWELL


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
