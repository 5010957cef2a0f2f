"""What the probe may ask of the kernel it runs on: its clock, its devices, and the calls that change a machine.

Each call is tried in a child process, which ends at once, with arguments with which success does no harm: a value is
set to what it is, a file system is mounted that does not exist, a kernel to boot next has more parts than any may have.
"""

import ctypes
import errno
import json
import os
import platform
import stat
import tempfile
import threading

from probe_pressure import in_child

REFUSED = (errno.EPERM, errno.EACCES, errno.ENOSYS)
"""Not allowed, or not there. Any other error comes from arguments that were looked at, so the call was allowed."""

NUMBERS = {  # of calls that the C library has no function for: bpf, perf_event_open, keyctl, kexec_load
    "x86_64": {"bpf": 321, "perf_event_open": 298, "keyctl": 250, "kexec_load": 246},
    "aarch64": {"bpf": 280, "perf_event_open": 241, "keyctl": 219, "kexec_load": 104},
}
READABLE_MEMORY = ("mem", "kmem", "port", "kmsg")
MOST_DEVICES = 200
LONGEST_S = 5.0

NEWNS, NEWUSER = 0x20000, 0x10000000  # <sched.h>
SEIZE = 0x4206  # <sys/ptrace.h>: attach without stopping
SAME_TICK = 0x4000  # <sys/timex.h>: ADJ_TICK


def calls(pid=0, same_pids=False):
    """Every call by name: whether it was allowed, and what came of it; `pid` is a neighbour's process, for ptrace."""
    tried = {name: attempt(task) for name, task in CALLS.items()}
    if same_pids:
        tried["ptrace a neighbour"] = attempt(lambda library: library.ptrace(SEIZE, int(pid), None, None))
    else:
        tried["ptrace a neighbour"] = {"allowed": False, "seen": "it has no number among the processes here"}
    return {"calls": tried, "uid_map": " ".join(uid_map().split()[:3])}


def clock():
    """Whether the clock may be set: its tick is set to what it is, which changes nothing."""
    return attempt(set_tick)


def devices():
    """The devices in /dev, those among them that give away what others do, and whether new ones can be made."""
    names, opened, blocks = [], [], []
    for name in sorted(os.listdir("/dev") if os.path.isdir("/dev") else [])[:MOST_DEVICES]:
        path = f"/dev/{name}"
        try:
            mode = os.stat(path).st_mode
        except OSError:
            continue
        if not (stat.S_ISBLK(mode) or stat.S_ISCHR(mode)):
            continue
        names.append(name)
        if stat.S_ISBLK(mode):
            blocks.append(name)
        # Others are not opened: opening a watchdog starts it, opening a tape rewinds it.
        if (stat.S_ISBLK(mode) or name in READABLE_MEMORY) and opens(path):
            opened.append(name)
    return {"names": names, "blocks": blocks, "opened": opened, "made": attempt(make_device)}


def opens(path):
    """Whether the device can be opened to read; nothing is read."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def attempt(task):
    """Run `task(library)` in a child: it returns what the call does, or raises OSError; tells how that went."""
    try:
        pid, answer = in_child(lambda report: os.write(report, json.dumps(outcome(task)).encode()))
    except OSError as error:
        return {"allowed": None, "seen": f"no process to try it in: {error.strerror}"}
    overdue = threading.Timer(LONGEST_S, os.kill, (pid, 9))
    overdue.start()
    try:
        said = os.read(answer, 4096)
    finally:
        overdue.cancel()
        os.close(answer)
        status = os.waitpid(pid, 0)[1]
    if said:
        return json.loads(said)
    ended = f"ended by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "no answer"
    return {"allowed": False, "seen": ended}


def outcome(task):
    """In a child: whether the call was allowed, and the error or "done"."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
        result = task(library)
    except OSError as error:
        return judged(error.errno)
    except (AttributeError, KeyError) as error:  # another C library, another processor
        return {"allowed": None, "seen": f"not known here: {error}"}
    if result is not None and result < 0:
        return judged(ctypes.get_errno())
    return {"allowed": True, "seen": "done"}


def judged(number):
    """An error as an outcome."""
    return {"allowed": number not in REFUSED, "seen": os.strerror(number)}


def mount(library):
    """Mount a file system of a kind that does not exist: whoever may not mount is told so first."""
    return library.mount(b"none", b"/", b"no-such-file-system", 0, None)


def become_root(library):
    """Become user 0, or be it already."""
    os.setresuid(0, 0, 0)


def own_mounts(library):
    """Get a table of mounts of its own, which ends with the child."""
    return library.unshare(NEWNS)


def own_users(library):
    """Get user numbers of its own, in which the child would have every capability."""
    return library.unshare(NEWUSER)


def bpf(library):
    """Make a map of one entry for programs that run in the kernel."""
    map_of_one = (ctypes.c_uint32 * 32)(2, 4, 4, 1)  # kind: array; sizes of key and value; entries
    return library.syscall(number("bpf"), 0, ctypes.byref(map_of_one), 72)


def perf_event_open(library):
    """Open a counter, not started, of what everybody's processes do on the first processor."""
    counter = bytearray(112)
    counter[0], counter[4], counter[40] = 1, len(counter), 1  # kind: software's clocks; size; not started
    given = (ctypes.c_char * 112).from_buffer(counter)
    result = library.syscall(number("perf_event_open"), ctypes.byref(given), -1, 0, -1, 0)
    if result < 0 and ctypes.get_errno() == errno.ENODEV:  # gVisor's way to say that it has none
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    return result


def keyctl(library):
    """Ask for the number of the session's keyring: keys are kept for users, and no box divides them."""
    return library.syscall(number("keyctl"), 0, -3, 0)


def kexec_load(library):
    """Name a kernel to boot next that has more parts than any may have."""
    return library.syscall(number("kexec_load"), 0, ctypes.c_ulong(17), None, ctypes.c_ulong(0))


def set_tick(library):
    """Set the clock's tick to what it is."""
    state = (ctypes.c_long * 32)()  # struct timex; its first field is an int, its twelfth word the tick
    if library.adjtimex(ctypes.byref(state)) < 0:
        return -1
    state[0] = SAME_TICK
    return library.adjtimex(ctypes.byref(state))


def make_device(library):
    """Make a device node like /dev/null's in the directory for temporary files, and remove it."""
    with tempfile.TemporaryDirectory(prefix="probe-device-") as folder:
        os.mknod(f"{folder}/null", stat.S_IFCHR | 0o600, os.makedev(1, 3))


def number(name):
    """A system call's number on this processor."""
    return NUMBERS[platform.machine()][name]


def uid_map():
    """Which users of the machine this box's user numbers stand for, as the kernel tells it."""
    try:
        with open("/proc/self/uid_map") as file:
            return file.read()
    except OSError:
        return ""


CALLS = {
    "mount": mount,
    "become root": become_root,
    "a mount table of its own": own_mounts,
    "user numbers of its own": own_users,
    "bpf": bpf,
    "perf_event_open": perf_event_open,
    "keyctl": keyctl,
    "kexec_load": kexec_load,
}
