"""A host whose owner is watched by something else leaves what comes in on the control channel to that.

In a virtual machine two programs hold the channel: the host writes marks, and whatever renews a restored machine's
random numbers reads them. A host that reads too takes them away from it, now and then.
"""

from __future__ import annotations

import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.functional.sandboxes.boxes import Marks
from tests.needs import needs
from workbench.faas.functions.java_code import runnable
from workbench.isolation import channel, languages
from workbench.isolation.rootfs import runtime_dir
from workbench.samples import sample
from workbench.sandbox import SandboxSpec


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("pricing", id="python"),
        pytest.param("pricing_node", id="nodejs", marks=needs("node")),
        pytest.param("pricing_java", id="java", marks=needs("java")),
    ],
)
def test_what_is_written_to_a_watched_host_stays_for_its_reader(name: str, tmp_path: Path) -> None:
    service = sample(name)
    language = languages.of(service.runtime)
    code = runnable(service)
    spec = SandboxSpec("watched", "http_host.py", service.handler, code, service.resources, language=language)
    tree, runtime = str(languages.tree(language) or languages.INSIDE), str(runtime_dir())
    ours, theirs = channel.control_pair()
    listener = channel.http_listener()
    environment = channel.environment(
        spec, task_root=str(spec.code), runtime_dir=runtime, home=str(tmp_path), lang_dir=tree
    )
    environment |= {
        "WORKBENCH_CONTROL_FD": str(theirs.fileno()),
        "WORKBENCH_LISTEN_FD": str(listener.fileno()),
        "WORKBENCH_WATCHED": "1",
    }
    argv = languages.prepared(spec, interpreter=channel.interpreter(), runtime_dir=runtime, lang_dir=tree)
    with ours, theirs, listener, tempfile.TemporaryFile() as said:
        host = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            cwd=spec.code,
            env=environment,
            pass_fds=[theirs.fileno(), listener.fileno()],
            start_new_session=True,
        )
        try:
            ours.sendall(b"for another\n")  # there from the start: a host that reads has it before it says it is ready
            assert Marks(ours).until("function_ready")[-1] == "function_ready"
            assert theirs.recv(64, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"for another\n"
            ours.shutdown(socket.SHUT_WR)
            theirs.recv(64)
            assert theirs.recv(64) == b""
            with pytest.raises(subprocess.TimeoutExpired):  # nor does it take the end for its own
                host.wait(0.2)
        finally:
            host.kill()
            host.wait()
