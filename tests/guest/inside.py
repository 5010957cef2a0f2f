"""How programs inside the guest speak to the machine outside: lines of JSON on the console."""

from __future__ import annotations

import json

SAYS = "@guest "
"""What such a line begins with; other lines are the kernel's and the programs'."""


def say(**words: object) -> None:
    """One line for the machine outside."""
    with open("/dev/console", "w", encoding="utf-8") as console:
        console.write(f"\n{SAYS}{json.dumps(words)}\n")
