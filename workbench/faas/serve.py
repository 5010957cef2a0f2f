"""The platform as a process: says where it listens in one line of JSON, then serves until told to stop.

It listens on 127.0.0.1 alone and takes only requests signed with its key: on a shared host every user reaches every
loopback port, and this API runs code.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import resource
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import uvloop

from workbench.cleaning import next_start
from workbench.errors import DeploymentError, WorkbenchError
from workbench.faas.announced import announced
from workbench.faas.asynchronous.aws_client import AwsClients
from workbench.faas.asynchronous.destinations import Attempt
from workbench.faas.asynchronous.event_queue import EventQueue
from workbench.faas.asynchronous.event_store import EventStore, StoredEvent
from workbench.faas.aws_errors import AwsError
from workbench.faas.companion import Beside, Delivery, Host
from workbench.faas.credentials import Keyring
from workbench.faas.front.api_model import ApiModel
from workbench.faas.front.aws_services import AwsServices, OtherServices
from workbench.faas.front.control_api import MAX_BODY, ControlApi
from workbench.faas.front.http_front import Front
from workbench.faas.front.metrics import Metrics
from workbench.faas.front.private_api import PrivateApi
from workbench.faas.functions.function import Function
from workbench.faas.functions.storage import Storage
from workbench.faas.operations import Operations
from workbench.faas.operations.event_config import rules
from workbench.faas.running.billing import RULES, TODAY
from workbench.faas.running.gateway import Endpoints, Gateway
from workbench.faas.running.host import Code
from workbench.faas.running.start import Start
from workbench.faas.running.supervisor import Supervisor
from workbench.faas.scheduler import Policy
from workbench.faas.sigv4 import Verifier
from workbench.faas.urls.function_urls import UrlServer
from workbench.isolation import best, launcher, ready, techniques, template_launcher
from workbench.sandbox import Technique
from workbench.session import VARIABLE, remove_session_dir, remove_session_dir_of_the_dead, session_dir, session_id

HOST = "127.0.0.1"
LIFELINE = "WORKBENCH_LIFELINE_FD"
_INSTANCE_MB = 64
_MOST_FILES = 16384


@dataclass(frozen=True)
class Options:
    """How to run the platform; empty keys are drawn at random, without `state` nothing outlives the process."""

    port: int = 0
    isolation: str = "auto"
    access_key: str = ""
    secret_key: str = ""
    state: Path | None = None
    region: str = "us-east-1"
    account_concurrency: int | None = None
    idle_expiry_s: float = 600.0
    freeze_after_s: float = 0.1
    burst: int = 1000
    cold_start: str = "auto"
    retry_scale: float = 1.0
    billing: str = TODAY.name
    grace_s: float = 5.0
    aws_endpoint: str = ""
    aws: bool = False


def default_account_concurrency() -> int:
    """AWS's 1,000, or as many small instances of 64 MB as this machine's memory holds, if that is fewer."""
    memory = psutil.virtual_memory().total
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            memory = min(memory, int(Path(limit).read_text()))
    return max(10, min(1000, memory // 2**20 // _INSTANCE_MB))


def run(
    host: str = HOST,
    port: int = 0,
    isolation: str = "auto",
    access_key: str = "",
    secret_key: str = "",
    state: Path | None = None,
    beside: Beside = lambda _: (),
    **more: Any,
) -> None:
    """Serve until SIGINT, SIGTERM or the end of the lifeline; `more` are further fields of Options.

    `beside` makes what runs in the same process: event sources, gateways, schedules.

    Raises DeploymentError when the port is taken, the sandbox unknown or the state directory in use.
    """
    if host not in (HOST, "localhost"):
        raise DeploymentError(f"The platform listens on {HOST} only, because it runs code for whoever reaches it.")
    options = Options(port, isolation, access_key, secret_key, state, **more)
    if options.aws and options.aws_endpoint:
        raise DeploymentError(
            "--aws runs the AWS services beside the platform, --aws-endpoint names others: give one of them."
        )
    owner = VARIABLE not in os.environ
    next_start.clean_once()
    os.environ[VARIABLE] = session_id()
    graceful = False
    try:
        graceful = uvloop.run(_serve(options, beside))
    finally:
        if owner:
            remove_session_dir()
        elif not graceful:  # perhaps because the owner of the session was killed
            remove_session_dir_of_the_dead()


async def _serve(options: Options, beside: Beside) -> bool:
    """Serve until told to stop; whether there was time to finish what ran."""
    isolation = best() if options.isolation == "auto" else options.isolation
    start = _start(isolation, options.cold_start)
    access_key = options.access_key or "AKIA" + secrets.token_hex(8).upper()
    secret_key = options.secret_key or secrets.token_urlsafe(30)
    concurrency = options.account_concurrency or default_account_concurrency()
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(ready(isolation))
        directory = options.state
        if directory is None:
            directory = Path(tempfile.mkdtemp(dir=session_dir(), prefix="platform."))
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
        storage = Storage(directory)
        stack.callback(storage.close)
        aws = AwsClients(options.aws_endpoint, options.region, access_key, secret_key)
        policy = Policy(
            concurrency,
            options.burst,
            idle_expiry_s=options.idle_expiry_s,
            freeze_after_s=options.freeze_after_s,
        )

        def code(function: Function) -> Code:
            return Code(storage.code(function.code_sha256), storage.opt(function))

        keys = Keyring(access_key, secret_key)
        endpoints = Endpoints(others=options.aws_endpoint)
        gateway = Gateway(keys, endpoints, own_network=isolation != "process")
        supervisor = Supervisor(start, code, policy, billing=RULES[options.billing], gateway=gateway)
        stack.push_async_callback(supervisor.close)

        async def deliver(event: StoredEvent) -> Attempt:
            try:
                target = operations.resolve(event.function, event.qualifier or None)
                outcome = await supervisor.invoke(
                    target.function,
                    event.payload,
                    request=event.id,
                    client_context=event.client_context,
                    arn=target.invoked_arn,
                )
            except AwsError as error:
                host.delivered(Delivery(event.id, event.function, "", error.code))
                raise
            host.delivered(Delivery(event.id, event.function, outcome.instance, outcome.error or ""))
            return Attempt(target.function.number, outcome.payload.decode("utf-8", "replace"), outcome.error)

        def given_up(event: StoredEvent, condition: str, targets: Sequence[str]) -> None:
            host.delivered(Delivery(event.id, event.function, "", condition, given_up=True, targets=tuple(targets)))

        events = EventQueue(
            EventStore(storage),
            deliver,
            rules=lambda event: rules(operations.context, event),
            send=aws.send,
            retry_scale=options.retry_scale,
            given_up=given_up,
        )
        stack.push_async_callback(events.close)
        operations = Operations(options.region, supervisor, storage, events, aws, concurrency, secret_key)
        verifier = Verifier(keys, options.region)
        metrics = Metrics(supervisor, events.counts)
        host = Host(operations, keys, embedded=options.aws)
        companions = beside(host)
        for companion in companions:
            stack.push_async_callback(companion.close)
            operations.table.update(companion.operations)
        private = PrivateApi(operations, supervisor, events, metrics, keys, storage.archive, isolation, companions)
        services = next((each for each in companions if isinstance(each, AwsServices)), None)
        if options.aws and services is None:
            raise DeploymentError("Start it with `workbench serve --aws`, or `python -m workbench.events --aws`.")
        others = OtherServices(verifier, services, options.aws_endpoint)
        api = ControlApi(ApiModel(), verifier, operations, supervisor, events, private, others)
        urls = UrlServer(operations.resolve, supervisor, verifier, operations.context.attachments, options.region)
        stack.push_async_callback(urls.close)
        operations.context.open_url = urls.open
        operations.resume()
        await urls.resume()
        stopping = _stop_signals()
        front, endpoint = await _listen(api, options.port, stack)
        stack.push_async_callback(supervisor.close)  # before the connections are: whoever still waits is told
        endpoints.platform = endpoint
        if services is not None:
            endpoints.others = aws.endpoint = endpoint
        operations.listens_at(endpoint)
        events.resume()
        for companion in companions:
            await companion.resume()
        access = {
            "endpoint": endpoint,
            "access_key_id": access_key,
            "secret_access_key": secret_key,
            "region": options.region,
        }
        stack.enter_context(announced(access))
        print(json.dumps(access), flush=True)
        # What is here now stays: to look for garbage in it every few hundred requests would be a tenth of the work.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        graceful = await stopping.wait_gracefully()
        front.stop_listening()
        await urls.stop_listening()
        for companion in companions:
            await companion.stop()
        if graceful:
            await supervisor.drain_or(options.grace_s, stopping.at_once)
    return graceful


def _start(isolation: str, wish: str) -> Start:
    """How instances are started: by the technique wished for, else by the fastest that needs nothing prepared."""
    launch, can = launcher(isolation), techniques(isolation)
    if wish == "auto":
        technique = Technique.ZYGOTE if Technique.ZYGOTE in can else Technique.SPAWN
    elif wish in can and wish != Technique.SNAPSHOT:
        technique = Technique(wish)
    else:
        raise DeploymentError(
            f"Instances in {isolation} cannot all be started by {wish!r}; choose auto, "
            f"{', '.join(sorted(can - {Technique.SNAPSHOT}))}. A snapshot is wished for by function (SnapStart)."
        )
    template = template_launcher(isolation) if Technique.SNAPSHOT in can else None
    return Start(launch, template, can, technique)


async def _listen(api: ControlApi, port: int, stack: contextlib.AsyncExitStack) -> tuple[Front, str]:
    front = Front(api, MAX_BODY, _allow_connections())
    stack.push_async_callback(front.close)
    try:
        port = await front.listen(HOST, port)
    except OSError as error:
        raise DeploymentError(
            f"Port {port} on {HOST} cannot be used ({error.strerror or error}). "
            "Give another with --port, or 0 for a free one."
        ) from error
    return front, f"http://{HOST}:{port}"


def _allow_connections() -> int:
    """Raise this process's limit on open files as far as it may; how many of them may be connections of clients."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(_MOST_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return _MOST_FILES // 4 if soft == resource.RLIM_INFINITY else min(soft, _MOST_FILES) // 4


class _Stop:
    """Why to stop: asked politely (signal), at once (second signal, or the lifeline's end)."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.at_once = asyncio.Event()

    def signalled(self) -> None:
        (self.at_once if self.asked.is_set() else self.asked).set()

    def cut(self) -> None:
        self.at_once.set()
        self.asked.set()

    async def wait_gracefully(self) -> bool:
        """Wait for a wish to stop; whether there is time to finish what runs."""
        await self.asked.wait()
        return not self.at_once.is_set()


def _stop_signals() -> _Stop:
    stop = _Stop()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.signalled)
    lifeline = os.environ.pop(LIFELINE, "")
    if lifeline:
        descriptor = int(lifeline)
        os.set_inheritable(descriptor, False)
        os.set_blocking(descriptor, False)

        def look() -> None:
            with contextlib.suppress(BlockingIOError):
                if os.read(descriptor, 4096):
                    return
                loop.remove_reader(descriptor)
                stop.cut()

        loop.add_reader(descriptor, look)
    return stop


def main(arguments: list[str] | None = None, beside: Beside = lambda _: ()) -> int:
    """`python -m workbench.faas.serve`, with what stands beside the platform; returns the exit status."""
    parser = argparse.ArgumentParser(prog="workbench serve", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--isolation", default="auto")
    parser.add_argument("--access-key", default="")
    parser.add_argument("--secret-key", default="")
    parser.add_argument("--state", type=Path)
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--account-concurrency", type=int)
    parser.add_argument("--idle-expiry-s", type=float, default=600.0)
    parser.add_argument("--freeze-after-s", type=float, default=0.1)
    parser.add_argument("--burst", type=int, default=1000, help="New instances of one function per 10 seconds.")
    parser.add_argument("--cold-start", default="auto", help="auto, spawn or zygote: how instances are started.")
    parser.add_argument("--retry-scale", type=float, default=1.0, help="Times AWS's delays between tries of an event.")
    parser.add_argument("--billing", choices=sorted(RULES), default=TODAY.name)
    parser.add_argument(
        "--aws-endpoint",
        default="",
        metavar="URL",
        help="Where S3, SQS, SNS and EventBridge answer, such as moto's server.",
    )
    parser.add_argument("--aws", action="store_true", help="Run these services beside the platform.")
    parser.add_argument("--grace-s", type=float, default=5.0, help="How long what runs may go on after SIGTERM.")
    try:
        run(beside=beside, **vars(parser.parse_args(arguments)))
    except WorkbenchError as error:
        print(f"workbench serve: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
