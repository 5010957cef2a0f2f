"""How instances are started here."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.faas.functions.function import Function
from workbench.sandbox import Launcher, Technique, TemplateLauncher


@dataclass(frozen=True)
class Start:
    """How instances are started: by `technique`, where the sandbox can and the function's language has it."""

    launch: Launcher
    template: TemplateLauncher | None = None
    techniques: frozenset[Technique] = frozenset({Technique.SPAWN})
    technique: Technique = Technique.SPAWN
    pids_limit: int = 256

    def technique_for(self, function: Function, wish: str = "") -> Technique:
        """The wish if there is one, SNAPSHOT for a version with SnapStart, else this platform's own."""
        chosen = Technique(wish) if wish else Technique.SNAPSHOT if function.snap_start else self.technique
        if function.language != "python" and chosen is not Technique.SNAPSHOT:
            return Technique.SPAWN
        return chosen if chosen in self.techniques or chosen is Technique.SNAPSHOT else Technique.SPAWN
