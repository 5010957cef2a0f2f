"""The virtual machine beyond what every sandbox promises: how it boots, what it costs, and what can be missing."""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import unprivileged
from tests.functional.sandboxes.boxes import Marks, call, eventually, output, traces
from tests.needs import needs
from workbench import capabilities, isolation
from workbench.deployments import deploy
from workbench.errors import CapabilityMissing, DeploymentError, InvocationError
from workbench.isolation.machine import guest_boot, guest_disks, guest_kernel, qemu, qemu_accelerator
from workbench.samples import sample
from workbench.sandbox import SandboxSpec
from workbench.service import Resources, Service

pytestmark = [needs("qemu"), pytest.mark.timeout(300)]

SMALL = Resources(memory_mb=128)
SERVICE = """
import os, secrets, time
DRAWN = secrets.token_hex(8)

def handler(event, context):
    if event.get("do") == "look":
        return {"kernel": os.uname().release, "uid": os.getuid(), "devices": sorted(os.listdir("/dev")),
                "memory_kb": int(open("/proc/meminfo").readline().split()[1]), "cpus": os.cpu_count()}
    return {"init": DRAWN, "call": secrets.token_hex(8)}
"""
_numbers = itertools.count()


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("machine")
    (directory / "app.py").write_text(SERVICE)
    return directory


def spec(code: Path, resources: Resources = SMALL) -> SandboxSpec:
    return SandboxSpec(f"vm-{os.getpid()}-{next(_numbers)}", "http_host.py", "app.handler", code, resources)


@pytest.fixture(scope="module")
def snapshots() -> Iterator[isolation.Snapshots]:
    with contextlib.closing(isolation.snapshots()) as made:
        yield made


def test_its_boot_is_seen_step_by_step_from_outside() -> None:
    order = {"sku": "A1", "quantity": 3}
    with deploy(sample("pricing", Resources(memory_mb=256)), "vm", sandbox="qemu") as machine:
        assert machine.sandbox == qemu.kind()
        cold = machine.invoke_cold(order)
        [seen] = machine.instances()
    assert cold.cold
    assert seen.overhead_bytes is not None
    assert seen.peak_memory_bytes is not None
    assert 0 < seen.overhead_bytes < seen.peak_memory_bytes
    steps = dict(cold.phases.sandbox_steps)
    assert list(steps) == ["vmm", "kernel", "init"]
    assert all(ms > 0 for ms in steps.values())
    assert sum(steps.values()) == pytest.approx(cold.phases.sandbox_ms)
    assert steps["kernel"] > steps["vmm"], "a kernel takes longer than the devices that it finds"


def test_restored_machines_run_at_once_and_share_what_init_drew(snapshots: isolation.Snapshots, code: Path) -> None:
    with contextlib.ExitStack() as stack:

        def start(_: int) -> dict[str, str]:
            box = snapshots.launch(spec(code))
            stack.callback(box.close)
            assert Marks(box.control).until("function_ready") == [
                "vmm",
                "sandbox_ready",
                "runtime_ready",
                "function_ready",
            ]
            answer: dict[str, str] = call(box)
            return answer

        start(0)  # boots the one that the others are restored from
        with ThreadPoolExecutor(3) as pool:
            answers = list(pool.map(start, range(3)))
    assert len({answer["init"] for answer in answers}) == 1, "what was drawn before the snapshot, all of them have"
    assert len({answer["call"] for answer in answers}) == 3, "what is drawn after, the kernel draws anew"


def test_it_has_a_kernel_and_a_size_of_its_own(snapshots: isolation.Snapshots, code: Path) -> None:
    with contextlib.closing(snapshots.launch(spec(code))) as box:
        seen = call(box, do="look")
        usage, overhead = box.usage(), box.overhead_bytes()  # type: ignore[attr-defined]
    assert seen["kernel"] == guest_kernel.find().version
    assert seen["kernel"] != os.uname().release
    assert seen["cpus"] == 1
    assert seen["memory_kb"] < 128 * 1024
    assert seen["uid"] == guest_boot.UID
    assert not [device for device in seen["devices"] if re.match(r"vd|sd|mem|kmsg|vport|tty", device)]
    assert usage is not None
    assert 0 < overhead < usage.peak_memory_bytes


def test_it_reaches_nothing_outside(snapshots: isolation.Snapshots, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import socket\n"
        "def handler(event, context):\n"
        "    try:\n"
        "        socket.create_connection((event['host'], event['port']), 1).close()\n"
        "    except OSError as error:\n"
        "        return type(error).__name__\n"
        "    return 'reached'\n"
    )
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server, contextlib.closing(snapshots.launch(spec(tmp_path))) as box:
        port = server.getsockname()[1]
        for host in ("10.0.2.2", "127.0.0.1"):  # the first is what QEMU's network calls this machine
            assert call(box, host=host, port=port) != "reached"


def test_a_service_in_another_language_boots_too() -> None:
    if shutil.which("node") is None:
        pytest.skip("needs node: Node.js is not installed.")
    with deploy(sample("pricing_node", Resources(memory_mb=512)), "vm", sandbox="qemu") as machine:
        assert machine.invoke({"sku": "A1", "quantity": 3}).payload["total"] == "8.64"


@needs("unprivileged")
def test_no_root_is_needed(nobody: dict[str, str]) -> None:
    program = (
        "import os, pathlib, tempfile\n"
        "from workbench.deployments import deploy\n"
        "from workbench.service import Resources, Service\n"
        "place = pathlib.Path(tempfile.mkdtemp())\n"
        f"(place / 'app.py').write_text({SERVICE!r})\n"
        "service = Service.from_dir(place, resources=Resources(memory_mb=128))\n"
        "with deploy(service, 'vm', sandbox='qemu') as machine:\n"
        "    print(machine.sandbox, os.getuid(), machine.invoke({'do': 'look'}).payload['kernel'])\n"
    )
    done = subprocess.run(
        unprivileged.command(sys.executable, "-c", program),
        env=nobody,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.stdout.split()[1:] == [str(unprivileged.UID), guest_kernel.find().version], done.stderr


# What can be missing, or go wrong


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """What was found out before is found out anew, also after the test."""
    for found in (qemu_accelerator.why_not_kvm, guest_boot._common, guest_disks.kept):
        found.cache_clear()
    return monkeypatch


def test_a_kernel_that_is_not_there_is_named_with_the_remedy(forgetful: pytest.MonkeyPatch, code: Path) -> None:
    forgetful.setenv("WORKBENCH_GUEST_KERNEL", "/nowhere/vmlinuz-0")
    with pytest.raises(CapabilityMissing, match=r"/nowhere/vmlinuz-0.*system-packages --for-vm"):
        qemu.launch(spec(code))
    capabilities.qemu.cache_clear()
    try:
        found = capabilities.qemu()
        assert not found
        assert "a kernel is missing" in found.detail
    finally:
        capabilities.qemu.cache_clear()


def test_what_is_no_kernel_is_refused_in_qemus_words(forgetful: pytest.MonkeyPatch, code: Path, tmp_path: Path) -> None:
    garbage = tmp_path / "vmlinuz-garbage"
    garbage.write_bytes(b"this is no kernel" * 1000)
    forgetful.setenv("WORKBENCH_GUEST_KERNEL", str(garbage))
    forgetful.setenv("WORKBENCH_ACCELERATOR", "tcg")
    wanted = spec(code)
    with pytest.raises(DeploymentError, match="did not start"):
        qemu.launch(wanted)
    assert traces(wanted.name) == []


def test_what_did_not_start_leaves_no_thread_and_no_descriptor(
    forgetful: pytest.MonkeyPatch, code: Path, tmp_path: Path
) -> None:
    garbage = tmp_path / "vmlinuz-garbage"
    garbage.write_bytes(b"this is no kernel" * 1000)
    forgetful.setenv("WORKBENCH_GUEST_KERNEL", str(garbage))
    forgetful.setenv("WORKBENCH_ACCELERATOR", "tcg")
    with pytest.raises(DeploymentError):  # the first also starts the keeper, which stays for a while
        qemu.launch(spec(code))
    sockets = open_sockets()
    wanted = spec(code)
    with pytest.raises(DeploymentError):
        qemu.launch(wanted)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith(wanted.name)]
    assert open_sockets() <= sockets


def open_sockets() -> set[str]:
    gc.collect()
    links = set()
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            links.add(os.readlink(f"/proc/self/fd/{number}"))
    return {link for link in links if link.startswith("socket:")}


def test_a_template_that_is_refused_leaves_nothing(tmp_path: Path) -> None:
    wanted = spec(tmp_path / "nowhere")
    for _ in range(2):  # the name can be used again
        with pytest.raises(DeploymentError, match="nowhere"):
            qemu.launch_template(wanted)
    assert traces(wanted.name) == []


def test_a_service_that_garbles_its_channel_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import os\n"
        "def handler(event, context):\n"
        "    if event.get('garble'):\n"
        f"        os.write({guest_boot.CONTROL_FD}, b'this is no mark\\n')\n"
        "    return 'fine'\n"
    )
    with deploy(Service.from_dir(tmp_path, resources=SMALL), "vm", sandbox="qemu-snapshot") as machine:
        before = machine.invoke({}).instance_id
        with contextlib.suppress(InvocationError):  # it may be gone before it has answered
            machine.invoke({"garble": True})
        assert eventually(lambda: [view.instance_id for view in machine.instances()] not in ([], [before]))
        assert eventually(lambda: machine.endpoint)
        assert machine.invoke({}).payload == "fine"


def test_without_qemu_the_package_is_named(forgetful: pytest.MonkeyPatch, code: Path, tmp_path: Path) -> None:
    forgetful.setenv("PATH", str(tmp_path))
    with pytest.raises(CapabilityMissing, match="apt-get install"):
        qemu.launch(spec(code))


def test_kvm_that_runs_no_guest_is_refused_with_what_it_said(forgetful: pytest.MonkeyPatch, code: Path) -> None:
    refused = qemu_accelerator.why_not_kvm()
    if not refused:
        pytest.skip("KVM runs a guest here")
    forgetful.setenv("WORKBENCH_ACCELERATOR", "kvm")
    with pytest.raises(CapabilityMissing, match=re.escape(refused)):
        qemu.launch(spec(code))


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount a small file system to fill")
def test_a_disk_that_is_full_is_named_and_nothing_stays(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    large = tmp_path / "large"
    large.mkdir()
    (large / "data").write_bytes(os.urandom(8 << 20))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "small", str(small)], check=True)
    try:
        with pytest.raises(DeploymentError, match="Make room"):
            guest_disks.make(large, small / "disk.ext4")
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_machine_that_never_comes_up_shows_its_console(
    forgetful: pytest.MonkeyPatch, code: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "init.sh"
    broken.write_text("#!/bin/sh\necho this init gives up >/dev/console\nexit 7\n")
    forgetful.setattr(guest_boot, "_INIT", broken)
    service = Service.from_dir(code, resources=SMALL)
    with pytest.raises(DeploymentError, match=r"(?s)before it was ready.*Attempted to kill init"):
        deploy(service, "vm", sandbox="qemu")


def test_what_it_printed_is_kept_when_it_ends(snapshots: isolation.Snapshots, code: Path) -> None:
    box = snapshots.launch(spec(code))
    Marks(box.control).until("function_ready")
    box.kill()
    assert box.exit_code() == -9
    assert output(box) == ""
    box.close()
    assert traces(box.name) == []
