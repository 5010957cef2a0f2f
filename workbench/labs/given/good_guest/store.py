"""The store that uploads come from: read them in pieces, as the body of an object in S3 is read, or all at once.

Each upload is 256 KB of noise, again and again, so that a large one needs no room here.
"""

import random

MB = 2**20
PICTURE = b"PIC1"
_NOISE = random.Random(4).randbytes(MB // 4)
UPLOADS = {"beach": 4 * MB, "wedding": 24 * MB, "novel": 2 * MB, "cut off": 2 * MB}
"""Their sizes in bytes. A novel is no picture, and of `cut off` only the first half arrives."""


class Upload:
    """The body of an upload."""

    def __init__(self, name: str) -> None:
        self._name, self._at = name, 0

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, all that are left without a size, none at the end; ConnectionError when it breaks."""
        whole = UPLOADS[self._name]
        end = whole if size < 0 else min(self._at + size, whole)
        if self._name == "cut off" and end > whole // 2:
            raise ConnectionError("the upload broke off")
        start, self._at = self._at, end
        first, last = start // len(_NOISE), -(-end // len(_NOISE))
        piece = _NOISE * (last - first) if last > first else b""
        offset = first * len(_NOISE)
        return self._stamped(piece[start - offset : end - offset], start)

    def _stamped(self, piece: bytes, start: int) -> bytes:
        if start or not piece or self._name == "novel":
            return piece
        return (PICTURE + piece[len(PICTURE) :])[: len(piece)]


def get(name: str) -> Upload:
    """The upload of that name; KeyError when there is none."""
    if name not in UPLOADS:
        raise KeyError(name)
    return Upload(name)
