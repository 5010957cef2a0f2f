"""What the probe can reach beyond itself: memory, files, processes and ports of others, and its own root."""

import itertools
import os
import socket
import tempfile
from pathlib import Path

from probe_surroundings import text_of

MOST_PROCESSES = 200
MOST_FOLDERS = 300
MOST_PORTS = 100
PATIENCE_S = 0.3


def read_memory(pid, address, secret, same_pids=True):
    """Try to read `secret` at `address` in the memory of another process.

    `pid` is the number the other knows itself by. When it lives among other numbers than we (`same_pids` false), that
    number means nothing here, and every process visible here is tried instead.
    """
    tried, refused = 0, ""
    for number in [pid] if same_pids else others():
        tried += 1
        try:
            with open(f"/proc/{number}/mem", "rb", buffering=0) as memory:
                memory.seek(address)
                if memory.read(len(secret)) == secret.encode():
                    return {"read": True, "pid": number, "tried": tried, "refused": ""}
        except (OSError, ValueError, OverflowError) as error:
            refused = str(error)
    return {"read": False, "pid": None, "tried": tried, "refused": refused}


def read_files(path, secret):
    """Look for `secret` at `path` and in every probe's file below the directory for temporary files."""
    wanted, found = secret.encode(), []
    candidates = [Path(path)]
    for folder, _, names in itertools.islice(os.walk(tempfile.gettempdir()), MOST_FOLDERS):
        candidates += [Path(folder) / name for name in names if name.startswith("probe-")]
    for candidate in dict.fromkeys(candidates):
        try:
            if candidate.is_file() and candidate.stat().st_size <= 4096 and wanted in candidate.read_bytes():
                found.append(str(candidate))
        except OSError:
            continue
    return {"found": found, "looked_at": len(candidates)}


def signal_process(pid, same_pids=True):
    """Ask whether the process could be signalled; signal 0 is only the question, it does nothing to anybody."""
    if not same_pids:
        return {"allowed": False, "reason": "it has no number among the processes here"}
    try:
        os.kill(pid, 0)
    except OSError as error:
        return {"allowed": False, "reason": str(error)}
    return {"allowed": True, "reason": ""}


def connect(addresses):
    """Connect to the addresses given and to every listening port visible here, say nothing, hang up."""
    asked = [(host, int(port)) for host, port in addresses]
    visible = listening()[:MOST_PORTS]
    reached = {a for a in dict.fromkeys(asked + visible) if reachable(*a)}
    return {
        "reached": [list(a) for a in asked if a in reached],
        "visible": [list(a) for a in visible],
        "visible_reached": [list(a) for a in visible if a in reached],
    }


def write_root():
    """Try to make a file, removed at once, in places that a service has no business to change."""
    task = os.environ.get("LAMBDA_TASK_ROOT") or str(Path(__file__).parent)
    return {"writable": [place for place in ("/", "/etc", "/usr", task) if writable(place)], "task_root": task}


def writable(folder):
    """Whether a file can be made in `folder`; it is removed again."""
    try:
        handle, path = tempfile.mkstemp(prefix=".probe-", dir=folder)
    except OSError:
        return False
    os.close(handle)
    os.unlink(path)
    return True


def reachable(host, port):
    """Whether something accepts a connection there."""
    try:
        with socket.create_connection((host, port), PATIENCE_S):
            return True
    except OSError:
        return False


def listening():
    """Loopback addresses somebody in this network listens at, as the kernel shows them."""
    ports = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in text_of(table).splitlines()[1:]:
            fields = line.split()
            if len(fields) > 3 and fields[3] == "0A":  # 0A: the LISTEN state
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return [("127.0.0.1", port) for port in sorted(ports)]


def others():
    """The numbers of the processes visible here, this one left out."""
    numbers = (int(p.name) for p in Path("/proc").glob("[0-9]*"))
    return [n for n in sorted(numbers) if n != os.getpid()][:MOST_PROCESSES]
