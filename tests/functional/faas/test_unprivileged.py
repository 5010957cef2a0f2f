"""The whole platform as a user without any privilege: every technique, in namespaces."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests import unprivileged
from tests.needs import needs

PROJECT = Path(__file__).resolve().parents[3]

PROGRAM = """
import json, os
from tests.functional.faas.platform import Platform

found = {"uid": os.getuid()}
with Platform(isolation="namespaces") as platform:
    name = platform.create()
    for technique in ("spawn", "zygote", "snapshot"):
        path = f"/2015-03-31/functions/{name}/invocations"
        answer = platform.raw("POST", path, b"{}", {"X-Workbench-Cold": technique})
        known = {i["instance_id"]: i for i in platform.instances(name)}
        instance = known[answer.headers["X-Workbench-Instance"]]
        found[technique] = {
            "status": answer.status_code,
            "pid": json.loads(answer.content)["pid"],
            "enforced": instance["enforced"],
            "technique": instance["technique"],
        }
print(json.dumps(found))
"""


@needs("unprivileged", "namespaces")
def test_every_technique_works_for_a_user_without_privileges(nobody: dict[str, str]) -> None:
    command = unprivileged.command(sys.executable, "-c", PROGRAM)
    done = subprocess.run(command, env=nobody, cwd=PROJECT, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.pop("uid") == unprivileged.UID
    for technique, seen in found.items():
        assert (seen["status"], seen["pid"], seen["technique"]) == (200, 1, technique)
        assert {"network", "filesystem", "tmp", "memory", "freeze"} <= set(seen["enforced"])
