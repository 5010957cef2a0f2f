"""What the probe can learn about itself and about who else is here. Linux tells it all under /proc."""

import os
import socket
import stat
import struct
import tempfile
from pathlib import Path

try:
    import fcntl
except ImportError:  # not a Unix
    fcntl = None

SIOCGIFADDR = 0x8915  # "tell me this interface's IPv4 address" (netdevice(7))
kept = {}
"""What was planted: held here so that it stays at its place in memory."""


def whoami():
    """Everything that tells this instance apart from others, and what it may do."""
    status = status_of("self")
    return {
        "instance": os.environ.get("WORKBENCH_INSTANCE", ""),
        "pid": os.getpid(),
        "uid": os.getuid() if hasattr(os, "getuid") else None,
        "hostname": socket.gethostname(),
        "kernel": " ".join(os.uname()[:3:2]) if hasattr(os, "uname") else "",
        "boot": text_of("/proc/sys/kernel/random/boot_id").strip(),
        "cgroup": text_of("/proc/self/cgroup").strip().splitlines(),
        "capabilities": status.get("CapEff", ""),
        "no_new_privileges": status.get("NoNewPrivs") == "1",
        "seccomp": status.get("Seccomp", "0") != "0",
        "namespaces": {kind: namespace(kind) for kind in ("pid", "net", "mnt", "ipc", "uts", "user")},
        "tmp_mb": size_mb(tempfile.gettempdir()),
        "addresses": addresses(),
        "listeners": listeners(),
    }


def plant(secret):
    """Keep a secret in memory and in a file; say where, so that a neighbour can be sent to look for it."""
    value = secret.encode()
    kept["secret"] = value
    # CPython keeps the bytes of a bytes object after its header; id() is the address of the header.
    header = bytes.__basicsize__ - 1
    handle, path = tempfile.mkstemp(prefix="probe-", suffix=".txt")
    with os.fdopen(handle, "wb") as file:
        file.write(value)
    kept["file"] = path
    return {**whoami(), "file": path, "address": id(value) + header}


def forget():
    """Remove what was planted."""
    path = kept.pop("file", None)
    kept.clear()
    if path:
        Path(path).unlink(missing_ok=True)
    return {"removed": path}


def processes(secret):
    """The processes visible here, and those whose environment or command line shows `secret`."""
    found, names = [], []
    numbers = sorted(int(p.name) for p in Path("/proc").glob("[0-9]*"))
    for pid in numbers:
        names.append(text_of(f"/proc/{pid}/comm").strip())
        for place in ("environ", "cmdline"):
            if secret in text_of(f"/proc/{pid}/{place}"):
                found.append({"pid": pid, "place": place})
    return {"pids": numbers, "names": names[:40], "secret_in": found}


def namespace(kind):
    """The identity of this process's namespace of that kind: equal for two processes that share one."""
    try:
        return os.readlink(f"/proc/self/ns/{kind}")
    except OSError:
        return ""


def size_mb(path):
    """The size of the file system that holds `path`, in MB."""
    try:
        of = os.statvfs(path)
    except (OSError, AttributeError):
        return None
    return of.f_blocks * of.f_frsize // 2**20


def addresses():
    """The IPv4 addresses of this instance's network interfaces, loopback left out."""
    if fcntl is None:
        return []
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(asked.fileno(), SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:  # an interface without an address
                continue
            found.append(socket.inet_ntoa(answer[20:24]))
    return [a for a in found if not a.startswith("127.")]


def listeners():
    """The addresses this instance itself is reached at: its listening sockets, and its Runtime API if it has one."""
    found = set()
    for entry in listing("/proc/self/fd"):
        try:
            if not stat.S_ISSOCK(os.fstat(int(entry)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(entry))) as mine:
                if mine.family == socket.AF_INET and mine.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    found.add(mine.getsockname())
        except OSError:  # closed meanwhile
            continue
    host, _, port = os.environ.get("AWS_LAMBDA_RUNTIME_API", "").partition(":")
    if port.isdigit():
        found.add((host, int(port)))
    return sorted([host, port] for host, port in found)


def status_of(pid):
    """/proc/PID/status as a dict."""
    lines = (line.partition(":") for line in text_of(f"/proc/{pid}/status").splitlines())
    return {name: value.strip() for name, _, value in lines}


def text_of(path):
    """A file's text, empty where it may not be read."""
    try:
        return Path(path).read_bytes().decode(errors="replace")
    except OSError:
        return ""


def listing(path):
    """A directory's entries, none where it may not be read."""
    try:
        return os.listdir(path)
    except OSError:
        return []
