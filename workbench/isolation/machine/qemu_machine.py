"""A running virtual machine as a sandbox: told by its monitor, ended with its process, accounted for from outside."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import psutil

from workbench.errors import DeploymentError
from workbench.isolation import keeper
from workbench.isolation.machine import qemu_accelerator
from workbench.isolation.machine.qemu_monitor import Monitor
from workbench.isolation.machine.qemu_relay import Relay
from workbench.sandbox import SandboxSpec, Usage

_OUT_OF_MEMORY = ("Out of memory: Killed process", "Kernel panic - not syncing: System is deadlocked on memory")
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)
_MAPPING = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) ")


class Machine:
    """See `workbench.sandbox.Sandbox`. `about` says in words what runs the guest and what that does to numbers."""

    def __init__(
        self,
        spec: SandboxSpec,
        process: subprocess.Popen[bytes],
        monitor: Monitor,
        relay: Relay,
        control: socket.socket,
        output: socket.socket,
        address: str,
        home: Path,
        launched_ns: int,
        accelerator: str,
    ) -> None:
        self.name, self.address, self.control, self.launched_ns = spec.name, address, control, launched_ns
        self.kind = f"qemu-{accelerator}"
        self.about = qemu_accelerator.ABOUT[accelerator]
        self.monitor = monitor
        self._memory_bytes = spec.resources.memory_mb * 2**20
        self._process, self._relay, self._home, self._output = process, relay, home, output
        self._last = Usage(0.0, 0)
        self._overhead = 0
        self._lock = threading.RLock()
        self._closed = False

    @property
    def output(self) -> int:
        """Read end of the instance's output."""
        return self._output.fileno()

    @property
    def enforced(self) -> frozenset[str]:
        """What holds: the machine's size (a part of a vCPU is a whole one), and what its kernel sees to."""
        return frozenset({"memory", "cpu", "pids", "tmp", "network", "filesystem", "freeze"})

    def freeze(self) -> None:
        """Stop the machine's processors."""
        self._tell("stop")

    def thaw(self) -> None:
        """Let them go on."""
        self._tell("cont")

    def usage(self) -> Usage:
        """CPU seconds and peak memory of QEMU, guest and all; what was last seen once it has ended."""
        with self._lock:
            try:
                process = psutil.Process(self._process.pid)
                times = process.cpu_times()
                peak = _PEAK.search(Path(f"/proc/{process.pid}/status").read_text(encoding="ascii"))
                seen = int(peak[1]) * 1024 if peak else process.memory_info().rss
                self._last = Usage(
                    max(self._last.cpu_s, times.user + times.system), max(self._last.peak_memory_bytes, seen)
                )
                self._overhead = self._measured_overhead() or self._overhead
            except (psutil.Error, OSError):  # it has ended
                pass
            return self._last

    def overhead_bytes(self) -> int:
        """Memory that the machine costs beside the guest's own: what QEMU has resident outside the guest's memory."""
        self.usage()
        return self._overhead

    def oom_killed(self) -> bool:
        """Whether the guest's kernel ended something because the machine's memory was full."""
        return any(words in self._relay.console for words in _OUT_OF_MEMORY)

    def exit_code(self) -> int | None:
        """None while it lives; the exit status of the instance's program, or minus the signal that ended it or QEMU."""
        with self._lock:
            status = self._process.poll()
            if status is None:
                return None
            self._relay.join()
            told = self._relay.exit_code
            if told is None:
                return status or 1  # the machine went down, and nobody in it said why
            return 128 - told if 128 < told < 192 else told  # 128 + signal, as in a shell

    def kill(self) -> None:
        """End the machine at once."""
        with self._lock:
            if self._process.returncode is None:
                self.usage()
                self._process.kill()
                self._process.wait()
            self._relay.join()

    def close(self) -> None:
        """`kill`, then release descriptors and remove the machine's files."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self.kill()
            self.monitor.close()
            self.control.close()
            self._output.close()
            if self._process.stderr is not None:
                self._process.stderr.close()
            shutil.rmtree(self._home, ignore_errors=True)
            keeper.forget(self.name)

    def _tell(self, command: str) -> None:
        with self._lock:
            if self.exit_code() is None:
                try:
                    self.monitor.command(command)
                except DeploymentError:
                    if self.exit_code() is None:
                        raise

    def _measured_overhead(self) -> int:
        """Resident memory of QEMU, less that of the mapping which is the guest's memory; 0 where it cannot be told."""
        resident, guest, size = 0, 0, 0
        with open(f"/proc/{self._process.pid}/smaps", encoding="ascii", errors="replace") as file:
            for line in file:
                mapping = _MAPPING.match(line)
                if mapping:
                    size = int(mapping[2], 16) - int(mapping[1], 16)
                elif line.startswith("Rss:"):
                    kilobytes = int(line.split()[1])
                    resident += kilobytes
                    guest += kilobytes if size == self._memory_bytes else 0
        return (resident - guest) * 1024 if guest else 0
