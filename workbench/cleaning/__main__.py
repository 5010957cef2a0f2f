"""How the keeper of a killed process cleans up, with the names of its instances as arguments."""

from __future__ import annotations

import sys

from workbench.cleaning import clean
from workbench.session import ENGINE_NOTE, remove_session_dir_of_the_dead, session_id, state_dir

incomplete = clean(instances=tuple(sys.argv[1:]), own=True).remarks
if not (incomplete and (state_dir() / "sessions" / session_id() / ENGINE_NOTE).exists()):
    remove_session_dir_of_the_dead()
