"""In a virtual machine that others are restored from: gives the kernel new random numbers after each restore.

Without it every machine that is restored would draw the same numbers from its kernel, keys and all, for up to a minute:
distributions' kernels of this age do not notice that they were restored. It runs as root beside the instance, reads the
control channel, mixes what comes from outside into the kernel's pool, has the kernel draw from that at once (random(4):
RNDADDENTROPY, RNDRESEEDCRNG), and says so. When the channel ends, so does the owner, and the machine is turned off.
"""

from __future__ import annotations

import fcntl
import os
import struct

_ADD_ENTROPY, _RESEED = 0x40085203, 0x5207
CONTROL_FD = 8


def main() -> None:
    """Wait for lines of hexadecimal digits, each new randomness."""
    os.write(CONTROL_FD, b'{"mark": "renewable"}\n')
    pool = os.open("/dev/random", os.O_RDWR)
    while line := os.read(CONTROL_FD, 4096):
        fresh = bytes.fromhex(line.decode().strip())
        fcntl.ioctl(pool, _ADD_ENTROPY, struct.pack("ii", 8 * len(fresh), len(fresh)) + fresh)
        fcntl.ioctl(pool, _RESEED)
        os.write(CONTROL_FD, b'{"mark": "renewed"}\n')


if __name__ == "__main__":
    main()
