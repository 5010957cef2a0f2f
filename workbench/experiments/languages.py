"""Which languages a deployment takes: tried, by deploying a handler written in each."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.deployment import Deployment
from workbench.errors import WorkbenchError
from workbench.service import RUNTIMES, Resources, Service
from workbench.session import session_dir


@dataclass(frozen=True)
class Language:
    """A language and the smallest handler in it, which answers with the language's name."""

    name: str
    runtime: str
    handler: str
    file: str
    text: str

    def service(self, place: Path) -> Service:
        """The handler as a service in the directory `place`, which is to be empty."""
        place.chmod(0o755)
        Path(place, self.file).write_text(self.text, encoding="utf-8")
        resources = Resources(memory_mb=512, timeout_s=5)
        return Service(f"language-{self.name}", place, self.handler, self.runtime, resources)


TRIED = (
    Language(
        "python",
        RUNTIMES["python"],
        "app.handler",
        "app.py",
        'def handler(event, context):\n    return {"language": "python"}\n',
    ),
    Language(
        "node",
        RUNTIMES["nodejs"],
        "index.handler",
        "index.js",
        'exports.handler = async (event) => ({ language: "node" });\n',
    ),
    Language(
        "java",
        RUNTIMES["java"],
        "Handler::handleRequest",
        "Handler.java",
        "import java.util.Map;\n\npublic class Handler {\n"
        "    public Map<String, String> handleRequest(Map<String, Object> event) {\n"
        '        return Map.of("language", "java");\n    }\n}\n',
    ),
)


def languages(deployment: Deployment) -> dict[str, Any]:
    """By language: whether a handler in it `works` here, and the deployment's `answer`.

    That of the service under test is known to work. A handler in each of the others is deployed and invoked.
    """
    found: dict[str, Any] = {}
    for language in TRIED:
        if deployment.service.runtime.startswith(language.name):  # nodejs22.x begins with node
            works, answer = True, f"the service under test answers ({deployment.service.runtime})"
        else:
            works, answer = _try(deployment, language)
        found[language.name] = {"works": works, "answer": answer}
    return found


def _try(deployment: Deployment, language: Language) -> tuple[bool, str]:
    with tempfile.TemporaryDirectory(dir=session_dir(), prefix="language.") as place:
        service = language.service(Path(place))
        try:
            tried = deployment.beside(service)
        except WorkbenchError as error:
            return False, f"{language.runtime}: {_first_line(error)}"
        try:
            answer = tried.invoke({}).payload
        except WorkbenchError as error:
            return False, f"{language.runtime}: {_first_line(error)}"
        finally:
            tried.close()
    return answer == {"language": language.name}, f"{language.runtime}: answered {answer!r}"


def _first_line(error: WorkbenchError) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
