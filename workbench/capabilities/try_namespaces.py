"""Try what the namespaces sandbox does: new namespaces, with a /proc and a tmpfs mounted. Exit 0 when it works."""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile

_NEW = {"NS": 0x20000, "UTS": 0x4000000, "IPC": 0x8000000, "USER": 0x10000000, "PID": 0x20000000, "NET": 0x40000000}
_MS_REC_PRIVATE = 0x4000 | 0x40000


def main() -> None:
    """Exit 0 when it works; else say what did not."""
    libc = ctypes.CDLL(None, use_errno=True)

    def call(name: str, *arguments: object) -> None:
        if getattr(libc, name)(*arguments) != 0:
            number = ctypes.get_errno()
            sys.exit(f"{name}: {os.strerror(number)}")

    user, group = os.geteuid(), os.getegid()
    kinds = set(_NEW) - ({"USER"} if user == 0 else set())
    call("unshare", sum(_NEW[kind] for kind in kinds))
    if "USER" in kinds:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    child = os.fork()  # only a child is in the new PID namespace
    if child:
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    call("mount", None, b"/", None, _MS_REC_PRIVATE, None)
    place = tempfile.gettempdir().encode()
    call("mount", b"tmpfs", place, b"tmpfs", 0, None)
    os.mkdir(place + b"/proc")
    call("mount", b"proc", place + b"/proc", b"proc", 0, None)
    with open(place + b"/proc/self/stat", encoding="ascii") as file:
        if not file.read().startswith("1 "):
            sys.exit("the new /proc does not show the new PID namespace")
    os._exit(0)


try:
    main()
except OSError as problem:
    sys.exit(str(problem))
