"""What one experiment found, in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """`title`: the finding as one statement, for a chart. `reading`: the sentences that explain it, from the data.

    `notes`: what is missing or was interrupted. `provenance`: how the numbers were obtained.
    """

    title: str
    reading: tuple[str, ...]
    notes: tuple[str, ...]
    provenance: str
