"""On the path of an owner and its platform: kills the owner, its keepers and its platform at the k-th event.

Events are those by which something comes to be: a process, a directory, a file opened for writing, a connection. Python
reports them (audit hooks) before they happen. `KILLED_IN` says whose count: the owner's or the platform's; at 0 nobody
is killed and the count is written down when the process ends. With owner, keepers and platform dead nobody is left to
tidy but `workbench clean`.
"""

import atexit
import os
import signal
import sys
from pathlib import Path

EVENTS = {"subprocess.Popen", "os.posix_spawn", "os.fork", "os.mkdir", "os.rename", "os.rmdir", "socket.connect"}


def role():
    command = Path("/proc/self/cmdline").read_bytes()
    return "owner" if b"tests.killing.owner" in command else "platform" if b"workbench.cli\0serve" in command else ""


def interesting(event, arguments):
    if event == "open":  # path, mode, flags
        return bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
    return event in EVENTS


def tidying(owner):
    """The owner and what watches over things below it: its platform, and the keepers of both."""
    parents, commands = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                commands[int(entry.name)] = (entry / "cmdline").read_bytes()
            except OSError:
                continue
    found, growing = {owner}, True
    while growing:
        growing = False
        for pid, parent in parents.items():
            watches = b"workbench.cli\0serve" in commands[pid] or b"workbench.cleaning" in commands[pid]
            if parent in found and pid not in found and watches:
                found.add(pid)
                growing = True
    return found


class Killer:
    def __init__(self, at):
        self.at, self.count, self.busy = at, 0, False

    def __call__(self, event, arguments):
        if self.busy or not interesting(event, arguments):
            return
        self.count += 1
        if self.count == self.at:
            self.busy = True
            doomed = tidying(int(os.environ["KILLED_OWNER"])) - {os.getpid()}
            for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped first: none sees another one end
                for pid in doomed:
                    try:
                        os.kill(pid, number)
                    except ProcessLookupError:
                        pass
            os.kill(os.getpid(), signal.SIGKILL)


if os.environ.get("KILLED_IN") and role() == os.environ["KILLED_IN"]:
    os.environ.setdefault("KILLED_OWNER", str(os.getpid()))
    killer = Killer(int(os.environ["KILLED_AT"]))
    sys.addaudithook(killer)
    if killer.at == 0:
        atexit.register(lambda: Path(os.environ["KILLED_COUNT"]).write_text(str(killer.count)))
elif role() == "owner":
    os.environ["KILLED_OWNER"] = str(os.getpid())
