"""Pressures that last: on processes, space, disk and connections. Each ends at its deadline, with its instance at the
latest, and leaves nothing: files have no name from the moment they are opened, and children end when their parent does.

What is pressed up to a limit may take a slow machine longer than it was given: it then has until a deadline of its own.
"""

import errno
import os
import select
import socket
import struct
import tempfile
import time

from probe_pressure import LONGEST_S, in_child
from probe_surroundings import size_mb

BLOCK = bytes(2**20)
ROUND_MB = 8
MOST_MEMBERS = 400
MOST_CONNECTIONS = 5000
AT_ONCE = 50
RETRY_S = 0.005
TO_THE_LIMIT_S = 10.0
PATIENCE_S = 0.3


def fork_bomb(members, seconds):
    """Start processes until `members` are there or no more are allowed, and go on trying until the time is over."""
    until = time.monotonic() + min(float(seconds), LONGEST_S)
    latest = time.monotonic() + max(float(seconds), TO_THE_LIMIT_S)
    pid, progress = in_child(lambda report: multiply(min(int(members), MOST_MEMBERS), until, latest, report))
    told = b""
    try:
        while piece := os.read(progress, 4096):
            told += piece
    finally:
        os.close(progress)
        status = os.waitpid(pid, 0)[1]
    counts = told.split()
    return {
        "asked": int(members),
        "started": int(counts[0]) if counts else None,
        "refused": int(counts[1]) if counts else None,
        "killed": os.WIFSIGNALED(status),
    }


def multiply(members, until, latest, report):
    """In a child: fork, up to the deadline or the parent's end; all that was forked ends with this process."""
    lifeline, held = os.pipe()
    parent_gone, children, refused = select.poll(), [], 0
    parent_gone.register(report, 0)
    while not parent_gone.poll(0):
        at_the_limit = refused or len(children) >= members
        if time.monotonic() >= (until if at_the_limit else latest):
            break
        if len(children) >= members:
            time.sleep(RETRY_S)
            continue
        try:
            pid = os.fork()
        except OSError:
            refused += 1
            time.sleep(RETRY_S)
            continue
        if pid == 0:
            os.close(held)
            os.close(report)
            select.select([lifeline], [], [], LONGEST_S)  # readable at its end: when who holds it is gone
            os._exit(0)
        children.append(pid)
    os.close(held)
    for pid in children:
        os.waitpid(pid, 0)
    os.write(report, b"%d %d" % (len(children), refused))


def fill_tmp(most_mb, unlimited_mb, seconds):
    """Fill the directory for temporary files, and hold that until the time is over.

    Where it is a file system of `most_mb` at most, until it is full; else it may be the machine's own, and gets no more
    than `unlimited_mb`.
    """
    until = time.monotonic() + min(float(seconds), LONGEST_S)
    latest = time.monotonic() + max(float(seconds), TO_THE_LIMIT_S)
    size = size_mb(tempfile.gettempdir())
    limited = size is not None and size <= int(most_mb)
    wanted, written, full = int(most_mb) + 1 if limited else int(unlimited_mb), 0, False
    with tempfile.TemporaryFile() as file:
        try:
            while written < wanted and time.monotonic() < latest:
                os.write(file.fileno(), BLOCK)
                written += 1
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            full = True
        time.sleep(max(0.0, until - time.monotonic()))
    return {"limited": limited, "size_mb": size, "written_mb": written, "full": full}


def hog_disk(most_mb, seconds):
    """Write to the directory for temporary files and have the disk take it (fsync), again and again, in one place."""
    until, written = time.monotonic() + min(float(seconds), LONGEST_S), 0
    with tempfile.TemporaryFile() as file:
        while time.monotonic() < until and written < int(most_mb):
            os.pwrite(file.fileno(), BLOCK, (written % ROUND_MB) << 20)
            os.fsync(file.fileno())
            written += 1
        time.sleep(max(0.0, until - time.monotonic()))
    return {"written_mb": written}


def flood(addresses, most, seconds):
    """Open connections and drop them, up to `most`, at the first of the addresses that answers; say nothing on them."""
    until, opened, refused, held = time.monotonic() + min(float(seconds), LONGEST_S), 0, 0, []
    target = next((a for a in ((host, int(port)) for host, port in addresses) if open_to(a, held)), None)
    while target and time.monotonic() < until and opened < min(int(most), MOST_CONNECTIONS):
        if open_to(target, held):
            opened += 1
        else:
            refused += 1
            time.sleep(RETRY_S)
        while len(held) > AT_ONCE:
            held.pop(0).close()
    for connection in held:
        connection.close()
    return {"target": list(target) if target else None, "opened": opened, "refused": refused}


def open_to(address, held):
    """Whether a connection came about, which is then among those held."""
    try:
        connection = socket.create_connection(address, PATIENCE_S)
    except OSError:
        return False
    # Dropped, not closed: a closed connection would stay in this machine's table for a minute.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    held.append(connection)
    return True
