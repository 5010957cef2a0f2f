"""How the keeper of a killed process cleans up, with the names of its instances as arguments."""

from __future__ import annotations

import sys

from workbench.cleaning import clean
from workbench.session import remove_session_dir_of_the_dead

if not clean(instances=tuple(sys.argv[1:])).remarks:
    remove_session_dir_of_the_dead()
