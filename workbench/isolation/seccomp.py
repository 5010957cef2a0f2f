"""System calls that no instance gets: those that change the machine, or give a way into the kernel or other processes.

An instance has no capability, so most of these are refused to it anyhow. The filter takes the rest of the surface away:
new user namespaces (in which it would have capabilities again), eBPF, keyrings, io_uring, tracing. The program is made
once by the system's libseccomp, which knows the numbers on every architecture, and loaded as one of the last steps of
building a box. Docker's default profile was the measure of what ordinary programs do without
(docs.docker.com/engine/security/seccomp), but for `ptrace`.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import platform

_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000  # <seccomp.h>: SCMP_ACT_ALLOW, SCMP_ACT_ERRNO
_ATTRIBUTE_BAD_ARCHITECTURE, _ATTRIBUTE_OPTIMIZE, _MASKED_EQUAL, _UNKNOWN = 2, 8, 7, -1

_REFUSED = (
    # what is mounted where
    *("mount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "mount_setattr"),
    *("fsopen", "fsconfig", "fsmount", "fspick", "open_by_handle_at", "swapon", "swapoff", "quotactl", "acct"),
    # the kernel itself
    *("init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "bpf", "syslog"),
    *("perf_event_open", "userfaultfd", "iopl", "ioperm", "settimeofday", "clock_settime", "vhangup"),
    # other processes, and what is kept for them
    *("ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "add_key", "request_key", "keyctl"),
    # namespaces
    *("setns", "unshare"),
)
# Not there, as on an older kernel: programs then do without. clone3's flags are in memory, where no filter can look.
_ABSENT = ("clone3", "io_uring_setup", "io_uring_enter", "io_uring_register")
_NAMESPACES = (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)  # CLONE_NEW*


class _Comparison(ctypes.Structure):
    _fields_ = (  # struct scmp_arg_cmp
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


@functools.cache
def program() -> bytes:
    """The filter as the kernel takes it (`struct sock_filter`, 8 bytes each); empty without libseccomp here."""
    try:
        library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    except OSError:
        return b""
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(_ALLOW)))
    if not context:
        return b""
    try:
        return _built(library, context)
    except OSError:
        return b""
    finally:
        library.seccomp_release(context)


def _built(library: ctypes.CDLL, context: ctypes.c_void_p) -> bytes:
    absent = _ERRNO | errno.ENOSYS
    _check(library.seccomp_attr_set(context, _ATTRIBUTE_BAD_ARCHITECTURE, ctypes.c_uint32(absent)))
    library.seccomp_attr_set(context, _ATTRIBUTE_OPTIMIZE, ctypes.c_uint32(2))  # a binary tree; since libseccomp 2.5
    for names, action in ((_REFUSED, _ERRNO | errno.EPERM), (_ABSENT, absent)):
        for name in names:
            number = library.seccomp_syscall_resolve_name(name.encode())
            if number != _UNKNOWN:  # else newer than this library
                _check(library.seccomp_rule_add_array(context, ctypes.c_uint32(action), number, 0, None))
    clone = library.seccomp_syscall_resolve_name(b"clone")
    at = 1 if platform.machine() == "s390x" else 0  # clone(2), "C library/kernel differences"
    for flag in _NAMESPACES:
        compared = ctypes.byref(_Comparison(at, _MASKED_EQUAL, flag, flag))
        refused = ctypes.c_uint32(_ERRNO | errno.EPERM)
        _check(library.seccomp_rule_add_array(context, refused, clone, 1, compared))
    file = os.memfd_create("filter")
    try:
        _check(library.seccomp_export_bpf(context, file))
        return os.pread(file, 1 << 20, 0)
    finally:
        os.close(file)


def _check(result: int) -> None:
    if result < 0:
        raise OSError(-result, os.strerror(-result))
