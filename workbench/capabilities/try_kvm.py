"""Run a guest of one instruction, `hlt`, under KVM on x86-64. Exit 0 when it halted.

The numbers are those of the kernel's public header linux/kvm.h.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import struct
import sys

_API_VERSION, _CREATE_VM, _VCPU_BYTES = 0xAE00, 0xAE01, 0xAE04
_CREATE_VCPU, _SET_MEMORY, _RUN = 0xAE41, 0x4020AE46, 0xAE80
_SET_REGS, _GET_SREGS, _SET_SREGS = 0x4090AE82, 0x8138AE83, 0x4138AE84
_EXIT_HLT = 5


def main() -> None:
    """Exit 0 when the guest halted; else say what did not work."""
    step = "opening /dev/kvm"
    try:
        kvm = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
        step = "KVM_GET_API_VERSION"
        version = fcntl.ioctl(kvm, _API_VERSION, 0)
        if version != 12:
            sys.exit(f"the interface is version {version}, not 12")
        step = "KVM_CREATE_VM"
        machine = fcntl.ioctl(kvm, _CREATE_VM, 0)
        step = "KVM_SET_USER_MEMORY_REGION"
        memory = mmap.mmap(-1, 4096)
        memory[0] = 0xF4  # hlt
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        fcntl.ioctl(machine, _SET_MEMORY, struct.pack("=IIQQQ", 0, 0, 0, 4096, address))
        step = "KVM_CREATE_VCPU"
        cpu = fcntl.ioctl(machine, _CREATE_VCPU, 0)
        shared = mmap.mmap(cpu, fcntl.ioctl(kvm, _VCPU_BYTES, 0))
        step = "setting the registers"
        special = bytearray(312)
        fcntl.ioctl(cpu, _GET_SREGS, special)
        struct.pack_into("=Q", special, 0, 0)  # cs.base
        struct.pack_into("=H", special, 12, 0)  # cs.selector
        fcntl.ioctl(cpu, _SET_SREGS, bytes(special))
        fcntl.ioctl(cpu, _SET_REGS, struct.pack("=18Q", *([0] * 17), 2))  # rip 0; bit 1 of rflags is always set
        step = "KVM_RUN"
        fcntl.ioctl(cpu, _RUN, 0)
        reason = struct.unpack_from("=I", shared, 8)[0]
        if reason != _EXIT_HLT:
            sys.exit(f"the guest ended for reason {reason}, not because it halted")
    except OSError as problem:
        sys.exit(f"{step}: {problem.strerror}")


main()
