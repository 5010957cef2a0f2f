"""A virtual machine for one instance: its kernel, its disks, what it boots from, and QEMU around them.

`qemu` is the sandbox: `guest_boot`, `guest_disks` and `guest_kernel` make what the machine consists of, `qemu_command`
is QEMU's command line, `qemu_machine` the machine that runs, told by `qemu_monitor` and heard by `qemu_relay`.
"""
