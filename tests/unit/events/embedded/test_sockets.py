"""Unix sockets below a temporary directory whose path is longer than a socket's may be."""

from __future__ import annotations

import socket
from pathlib import Path

from workbench.events.embedded.sockets import reachable


def test_a_long_path_is_reached_by_its_directory(tmp_path: Path) -> None:
    deep = tmp_path / ("long" * 30)
    deep.mkdir()
    path = deep / "a.sock"
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(reachable(path))
        listener.listen()
        assert path.is_socket()
        client.connect(reachable(path))


def test_a_short_path_stays_as_it_is() -> None:
    assert reachable(Path("/tmp/a.sock")) == "/tmp/a.sock"
