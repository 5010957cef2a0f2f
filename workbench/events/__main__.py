"""`python -m workbench.events`: the platform with its companions; options as of `python -m workbench.faas.serve`."""

from __future__ import annotations

import sys

from workbench.events.beside import beside
from workbench.faas.serve import main

if __name__ == "__main__":
    sys.exit(main(beside=beside))
