"""How the probe presses against its limits: always in child processes, always with an end.

The children matter: when the kernel ends a process for taking too much memory, it takes the biggest one. That is a
child, and the probe lives on to tell how far it came.
"""

import hashlib
import mmap
import os
import select
import tempfile
import threading
import time

STEP_MB = 8
HOLD_S = 0.25
LONGEST_S = 30.0


def allocate(megabytes, processes=1):
    """Take `megabytes` in all, touching every page, spread over that many processes; report what was held at once.

    Over several processes: a limit that counts each process by itself is no limit of the instance. What all hold is
    held for a moment, for a limit may be watched over by something that looks only now and then.
    """
    share = max(1, int(megabytes) // int(processes))
    children = [in_child(lambda report: take(share, report)) for _ in range(int(processes))]
    each = [last_number(progress) for _, progress in children]
    time.sleep(HOLD_S)
    killed = [os.waitpid(pid, os.WNOHANG)[0] == pid for pid, _ in children]
    for (pid, progress), dead in zip(children, killed, strict=True):
        os.close(progress)  # hangs up: the child lets go
        if not dead:
            os.waitpid(pid, 0)
    return {
        "asked_mb": share * int(processes),
        # What a killed child had taken was free again for the others, so it does not add up with theirs.
        "reached_mb": sum(mb for mb, dead in zip(each, killed, strict=True) if not dead) or max(each),
        "each_mb": each,
        "killed": sum(killed),
    }


def take(megabytes, report):
    """In a child: take memory step by step, reporting each, then hold it until the parent hangs up."""
    held, so_far, ones = [], 0, b"\1" * (STEP_MB * 2**20)
    try:
        while so_far < megabytes:
            step = min(STEP_MB, megabytes - so_far)
            block = mmap.mmap(-1, step * 2**20)
            block.write(ones[: step * 2**20])
            held.append(block)
            so_far += step
            os.write(report, b"%d\n" % so_far)
        os.write(report, b".")
    except (MemoryError, OSError):
        os.write(report, b"!")
    hang_up = select.poll()
    hang_up.register(report, 0)  # an error condition is reported whatever is asked for
    hang_up.poll(int(LONGEST_S * 1000))


def last_number(progress):
    """The last number a child reported before it finished ('.'), was refused ('!') or died (end of file)."""
    text, deadline = b"", time.monotonic() + LONGEST_S
    while not text.endswith((b".", b"!")) and time.monotonic() < deadline:
        if select.select([progress], [], [], 0.5)[0]:
            piece = os.read(progress, 4096)
            if not piece:
                break
            text = text[-64:] + piece
    numbers = [part for part in text.rstrip(b".!").split(b"\n") if part]
    return int(numbers[-1]) if numbers else 0


def crowd(members):
    """Start up to that many threads at once, in a child, and see how many are allowed.

    To the kernel a thread is a process that shares memory: a limit on processes counts both, and threads cost less.
    """
    pid, progress = in_child(lambda report: gather(min(int(members), 1000), report))
    started = last_number(progress)
    os.close(progress)
    os.waitpid(pid, 0)
    return {"asked": int(members), "started": started}


def gather(members, report):
    """In a child: start threads that wait, report how many, and end with all of them."""
    threading.stack_size(256 * 1024)
    end, started = threading.Event(), 0
    try:
        for _ in range(members):
            threading.Thread(target=end.wait, args=(LONGEST_S,), daemon=True).start()
            started += 1
    except (RuntimeError, MemoryError):
        pass
    os.write(report, b"%d\n." % started)


def spin(seconds, workers=1):
    """Use as much CPU as is given for that long, in that many processes; report what was used, in CPU seconds."""
    began, deadline = time.monotonic(), time.monotonic() + min(float(seconds), LONGEST_S)
    before = os.times()
    parent = os.getpid()
    children = []
    try:
        for _ in range(min(int(workers), 64)):
            children.append(in_child(lambda report: burn(deadline, parent)))
    except OSError:  # at the limit of processes: the rest spin alone
        pass
    for pid, progress in children:
        os.close(progress)
        ended(pid)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return {"cpu_s": round(used, 3), "wall_s": round(time.monotonic() - began, 3), "workers": len(children)}


def burn(deadline, parent):
    """In a child: compute until the deadline, or until the parent is gone."""
    while time.monotonic() < deadline and os.getppid() == parent:
        work(500)


def work(rounds=8000, write_kb=0):
    """A unit of work that needs the CPU, a chain of SHA-256 digests; and the disk, where it is told to write."""
    digest = b"workbench"
    for _ in range(int(rounds)):
        digest = hashlib.sha256(digest).digest()
    if write_kb:
        with tempfile.TemporaryFile() as file:
            file.write(bytes(1024 * int(write_kb)))
            file.flush()
            os.fsync(file.fileno())
    return {"rounds": int(rounds), "digest": digest.hex()[:16]}


def in_child(task):
    """Run `task(report)` in a child process, `report` being the writing end of a pipe; returns (pid, reading end)."""
    reading, writing = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        raise
    if pid == 0:
        try:
            # Whatever else the instance has open is not the child's: holding it would keep its connections alive.
            report = os.dup2(writing, 3) if writing != 3 else 3
            os.closerange(4, 1024)
            task(report)
        finally:
            os._exit(0)
    os.close(writing)
    return pid, reading


def ended(pid):
    """Wait for a child; how it ended, in words."""
    status = os.waitpid(pid, 0)[1]
    return f"ended by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}"
