"""A Swarm service: N containers that the engine starts, checks, restarts and replaces by itself.

What it is told here is a description: image, environment, limits, health check, how to restart, how to update. All the
rest is the engine's. Each container's port is published on a loopback port of its own (mode `host`, as the routing mesh
needs a packet filter and listens on every interface). A Swarm takes the address to publish on from a network that
depends on a `config-only` network, so each service has a pair of these; the service's own instances reach one another
there, other services' do not.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import docker.errors

from workbench.isolation import cgroups, channel, languages
from workbench.isolation.engine import docker_container, docker_engine, docker_swarm
from workbench.isolation.engine.docker_tasks import Task, ending, task
from workbench.sandbox import SandboxSpec, Usage
from workbench.service import Service
from workbench.session import session_id

STOP_GRACE_S = 10
"""How long an instance that is told to end may take to answer what it has."""

MONITORED_S = 0.5
"""How long after its start an updated instance's end counts against the update."""

_S = 1_000_000_000  # the engine counts in nanoseconds
_RESTART_DELAY_S = 0.5
_CHECK_CPU_S = 0.03  # what a health check costs: a new interpreter
_CHECK_SHARE = 0.1  # how much of an instance's CPU may go to that
_CHECK_AT_LEAST_EVERY_S = 2.0
UNHEALTHY_AFTER = 3
CHECK_WITHIN_S = 2.0
_REMOVED_WITHIN_S = 20.0
_TASK = "{{.Task.Name}}"  # the engine puts each instance's name there
_TAIL_BYTES = 64 * 1024


@dataclass(frozen=True)
class Description:
    """What a service is to run: the image's id (a name would be looked for in a registry) and an instance's spec."""

    image: str
    spec: SandboxSpec

    def task_template(self, node: str, network: str) -> dict[str, Any]:
        """The instances, as the engine's API wants them described."""
        resources = self.spec.resources
        environment = channel.environment(self.spec, task_root="/var/task", runtime_dir="/var/runtime", home="/tmp") | {
            "WORKBENCH_LISTEN_PORT": str(docker_container.PORT)
        }
        return {
            "ContainerSpec": {
                "Image": self.image,
                "Env": [f"{name}={value}" for name, value in environment.items()],
                "Labels": {"workbench": "1", docker_swarm.LABEL: session_id()},
                "ReadOnly": True,
                "Init": False,
                "CapabilityDrop": ["ALL"],
                "Mounts": [
                    {
                        "Type": "tmpfs",
                        "Target": "/tmp",
                        "TmpfsOptions": {"SizeBytes": resources.tmp_mb * 2**20, "Mode": 0o1777},
                    }
                ],
                "Ulimits": [{"Name": "core", "Soft": 0, "Hard": 0}, {"Name": "nofile", "Soft": 1024, "Hard": 1024}],
                "StopGracePeriod": STOP_GRACE_S * _S,
                "Healthcheck": {  # what is asked is the image's
                    "Interval": round(check_every_s(resources.vcpus) * _S),
                    "Timeout": round(CHECK_WITHIN_S * _S),
                    "StartPeriod": 60 * _S,
                    "Retries": UNHEALTHY_AFTER,
                },
            },
            "Resources": {
                "Limits": {
                    "NanoCPUs": round(resources.vcpus * 1e9),
                    "MemoryBytes": resources.memory_mb * 2**20,
                    "Pids": self.spec.pids_limit,
                }
            },
            "RestartPolicy": {"Condition": "any", "Delay": round(_RESTART_DELAY_S * _S), "MaxAttempts": 0},
            "Placement": {"Constraints": [f"node.id=={node}"]},  # the image and the ports are on this machine
            "Networks": [{"Target": network}],
            "LogDriver": {"Name": "json-file", "Options": {"max-size": "1m"}},
            "ForceUpdate": 0,
        }


def description(image: str, service: Service, environment: Mapping[str, str], code: Path) -> Description:
    """What is to run of `service`, with an environment in which the engine expands nothing but the instance's name."""
    plain = {name: escaped(value) for name, value in environment.items()}
    language = languages.of(service.runtime)
    spec = SandboxSpec(_TASK, channel.HTTP_ENTRY, service.handler, code, service.resources, plain, language=language)
    return Description(image, spec)


def escaped(value: str) -> str:
    """`value` as an environment variable of a service, in which the engine expands Go's templates."""
    return value.replace("{{", '{{"{{"}}')


def check_every_s(vcpus: float) -> float:
    """Seconds between health checks: a new instance waits for its first one, but checks must not eat a small one up."""
    return min(_CHECK_AT_LEAST_EVERY_S, max(0.5, _CHECK_CPU_S / (_CHECK_SHARE * vcpus)))


class SwarmService:
    """One service of the engine's Swarm. Raises DeploymentError where the engine refuses or does not answer."""

    def __init__(self, client: docker.DockerClient, name: str) -> None:
        self.name = name
        self._client = client
        self._api: Any = client.api  # of which types-docker has no types for what is Swarm's
        self._id = self._node = self._network = ""

    def create(self, description: Description) -> None:
        """Make it, with no instance yet, in a Swarm (`docker_swarm.entered`, whose CapabilityMissing it raises)."""
        with (
            docker_engine.translated(f"make the Swarm service {self.name}"),
            docker_swarm.entered(self._client) as node,
        ):
            self._node = node
            self._network = self._networked()
            answer = self._post(
                "/services/create",
                {
                    "Name": self.name,
                    "Labels": {"workbench": "1", docker_swarm.LABEL: session_id()},
                    "TaskTemplate": description.task_template(node, self._network),
                    "Mode": {"Replicated": {"Replicas": 0}},
                    "UpdateConfig": _pace("rollback"),
                    "RollbackConfig": _pace("pause"),
                    "EndpointSpec": {
                        "Mode": "dnsrr",
                        "Ports": [
                            {"Protocol": "tcp", "TargetPort": docker_container.PORT, "PublishMode": "host"},
                        ],
                    },
                },
            )
            self._id = str(answer["ID"])

    def scale(self, replicas: int) -> None:
        """Tell the engine how many instances there shall be; does not wait."""
        self._change(replicas, None)

    def renew(self, replicas: int, description: Description | None = None) -> None:
        """Tell the engine to replace all instances, by those of a new description if given; does not wait."""
        template = description.task_template(self._node, self._network) if description is not None else {}
        self._change(replicas, template)

    def replicas(self) -> int:
        """How many instances the engine was told to have."""
        with self._asked("tell of"):
            return int(self._api.inspect_service(self._id)["Spec"]["Mode"]["Replicated"]["Replicas"])

    def update_state(self) -> tuple[str, str]:
        """How the last update stands, in the engine's words (`updating`, `completed`, ...), and its message."""
        with self._asked("tell of the update of"):
            status = self._api.inspect_service(self._id).get("UpdateStatus") or {}
        return str(status.get("State", "")), str(status.get("Message", ""))

    def tasks(self) -> list[Task]:
        """Its instances, with those that ended of late."""
        with self._asked("list the tasks of"):
            found = self._api.tasks({"service": self._id})
        return [task(self.name, one, docker_container.PORT) for one in found]

    def ending(self, task: Task, memory_mb: int) -> str:
        """How it ended, as a phrase."""
        with docker_engine.translated(f"tell how {task.name} ended"):
            state = docker_engine.state(self._client, task.container) if task.container else {}
        return ending(task, oom_killed=bool(state.get("OOMKilled")), memory_mb=memory_mb)

    def usage(self, task: Task) -> Usage | None:
        """CPU and peak memory so far, as the kernel counts them; None where it cannot be asked."""
        group = cgroups.of_process(task.pid, task.container) if task.pid and task.container else None
        return group.usage() if group is not None else None

    def log(self, container: str) -> str:
        """The last 64 KB that the container printed; empty once the engine has removed it."""
        with docker_engine.translated(f"read what {container[:12]} printed"):
            try:
                printed: bytes = self._api.logs(container, tail=2000)
            except docker.errors.NotFound:
                return ""
        return printed[-_TAIL_BYTES:].decode("utf-8", "replace")

    def kill(self, task: Task) -> None:
        """End the instance as a crash would."""
        with docker_engine.translated(f"end instance {task.name}"):
            docker_engine.when_running(self._api.kill, task.container)

    def remove(self) -> None:
        """Remove it with its containers and networks, and leave the Swarm if it was made here and this was the last."""
        with docker_engine.translated(f"remove the Swarm service {self.name}"):
            remove(self._client, self.name)

    def _networked(self) -> str:
        """The id of the network on which ports are published on the loopback interface."""
        self._post(
            "/networks/create",
            {
                "Name": self.name,
                "ConfigOnly": True,
                "Driver": "bridge",
                "Options": {"com.docker.network.bridge.host_binding_ipv4": "127.0.0.1"},
                "Labels": {"workbench": "1", docker_swarm.LABEL: session_id()},
            },
        )
        made = self._post(
            "/networks/create",
            {
                "Name": network_of(self.name),
                "Driver": "bridge",
                "Scope": "swarm",
                "ConfigFrom": {"Network": self.name},  # the engine refuses labels beside it
            },
        )
        return str(made["Id"])

    def _change(self, replicas: int, template: dict[str, Any] | None) -> None:
        deadline = time.monotonic() + STOP_GRACE_S
        while True:
            with self._asked("change"):
                found = self._api.inspect_service(self._id)
                wanted = found["Spec"]
                wanted["Mode"] = {"Replicated": {"Replicas": replicas}}
                if template is not None:
                    number = int(wanted["TaskTemplate"].get("ForceUpdate", 0)) + 1
                    wanted["TaskTemplate"] |= {**template, "ForceUpdate": number}
                try:
                    self._post(f"/services/{self._id}/update", wanted, version=found["Version"]["Index"])
                except docker.errors.APIError as error:
                    if "out of sequence" not in str(error) or time.monotonic() > deadline:
                        raise
                else:
                    return
            time.sleep(0.05)  # the engine has changed it meanwhile

    def _post(self, path: str, body: Mapping[str, Any], **query: Any) -> dict[str, Any]:
        # Not docker-py's own methods: they know neither config-only networks nor some limits of a service, and what
        # they make of a service's present description differs from it, so that scaling would replace its instances.
        api = self._api
        answer = api.post(f"{api.base_url}/v{api.api_version}{path}", json=body, params=query, timeout=api.timeout)
        if not answer.ok:
            said = str(answer.json().get("message", answer.text))
            raise docker.errors.APIError(said, response=answer, explanation=said)
        found: dict[str, Any] = answer.json()
        return found

    def _asked(self, what: str) -> contextlib.AbstractContextManager[None]:
        return docker_engine.translated(f"{what} the Swarm service {self.name}")


def network_of(service: str) -> str:
    """The name of the network of a service of that name; the service's own name is the network's that configures it."""
    return f"{service}-net"


def remove(client: docker.DockerClient, name: str) -> None:
    """Remove the service, its containers and networks; then leave a Swarm of ours without any. Docker's errors.

    The containers are not left to the engine: it would wait some seconds, for load balancers to forget them.
    """
    api: Any = client.api
    with contextlib.suppress(docker.errors.NotFound):
        api.remove_service(name)
    remove_containers(client, name)
    remove_networks(client, name)
    docker_swarm.leave_unused(client)


def remove_containers(client: docker.DockerClient, name: str) -> None:
    """Remove the containers of a service that is gone, at once, also those that the engine was about to start."""
    api: Any = client.api
    mine = {"label": f"com.docker.swarm.service.name={name}"}
    deadline = time.monotonic() + _REMOVED_WITHIN_S
    while time.monotonic() < deadline and (left := api.containers(all=True, filters=mine, quiet=True)):
        for container in left:
            docker_engine.remove(client, container["Id"])
        time.sleep(0.05)


def remove_networks(client: docker.DockerClient, name: str) -> None:
    """Remove the two networks of a service; where a task of it still ends, wait for that. Raises docker's errors."""
    deadline = time.monotonic() + _REMOVED_WITHIN_S
    for network in (network_of(name), name):
        with contextlib.suppress(docker.errors.NotFound):
            while True:
                try:
                    client.api.remove_network(network)
                    break
                except docker.errors.NotFound:
                    raise
                except docker.errors.APIError:
                    if time.monotonic() > deadline:
                        raise
                time.sleep(0.1)


def _pace(on_failure: str) -> dict[str, Any]:
    return {
        "Parallelism": 1,
        "Delay": 0,
        "FailureAction": on_failure,
        "Monitor": round(MONITORED_S * _S),
        "MaxFailureRatio": 0,
        "Order": "start-first",
    }
