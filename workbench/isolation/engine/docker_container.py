"""The container that an instance's spec asks an engine for: what is shown in it, its limits, its user, its labels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import docker

from workbench.isolation import cgroups, channel, languages, rootfs
from workbench.isolation.engine import docker_image
from workbench.sandbox import SandboxSpec
from workbench.session import session_id

UID = 64_535
"""The user that instances run as: one that no distribution gives to anybody."""

PORT = 8080
"""What an `http_host.py` listens on inside."""

INSIDE = "/run/workbench"
"""Where the directory with the control channel is inside."""


def settings(
    client: docker.DockerClient, spec: SandboxSpec, home: Path, image: str = "", *, runtime: str | None = None
) -> dict[str, Any]:
    """What the engine is asked for, as arguments of docker-py's `create_container`: see `docker.launch`.

    With a `runtime` of the engine's instead of its usual one, the inside has no network and is relayed.
    """
    bridged = spec.entry == channel.HTTP_ENTRY and runtime is None
    environment = channel.environment(spec, task_root="/var/task", runtime_dir="/var/runtime", home="/tmp")
    environment["WORKBENCH_CONTROL_PATH"] = f"{INSIDE}/control.sock"
    if bridged:
        environment["WORKBENCH_LISTEN_PORT"] = str(PORT)
    elif runtime is None:
        environment["WORKBENCH_OUTPUT_PATH"] = f"{INSIDE}/output"
    else:
        environment |= {"WORKBENCH_RELAYED": INSIDE, "WORKBENCH_OUTPUT_PATH": f"{INSIDE}/output.sock"}
    shown: dict[str, Path | None] = {INSIDE: home, "/opt": spec.opt}
    entrypoint = None
    if not image:
        shown |= {"/var/task": spec.code, languages.INSIDE: languages.tree(spec.language)}
        entrypoint = languages.prepared(spec, interpreter=rootfs.interpreter(), runtime_dir="/var/runtime")
    memory = spec.resources.memory_mb * 2**20
    host = client.api.create_host_config(
        binds={str(path): {"bind": place, "mode": "ro"} for place, path in shown.items() if path is not None},
        network_mode=spec.name if bridged else "none",
        port_bindings={f"{PORT}/tcp": ("127.0.0.1",)} if bridged else None,
        read_only=True,
        runtime=runtime,
        tmpfs={"/tmp": f"rw,nosuid,nodev,exec,mode=1777,size={spec.resources.tmp_mb}m"},
        mem_limit=memory,
        memswap_limit=memory,
        cpu_period=cgroups.PERIOD_US,
        cpu_quota=max(1000, round(spec.resources.vcpus * cgroups.PERIOD_US)),
        pids_limit=spec.pids_limit,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        ulimits=[
            docker.types.Ulimit(name="core", soft=0, hard=0),
            docker.types.Ulimit(name="nofile", soft=1024, hard=1024),
        ],
        init=False,
        auto_remove=False,
        restart_policy={"Name": "no"},
        log_config=docker.types.LogConfig(type="json-file", config={"max-size": "1m"}),
    )
    user = (UID, UID) if os.getuid() == 0 else (os.getuid(), os.getgid())
    return {
        "image": image or docker_image.image(client),
        "name": spec.name,
        "hostname": spec.name[:63],
        "user": f"{user[0]}:{user[1]}",
        "entrypoint": entrypoint,
        "environment": environment,
        "working_dir": "/var/task",
        "labels": {"workbench": "1", "workbench.session": session_id()},
        "ports": [PORT] if bridged else None,
        "host_config": host,
    }
