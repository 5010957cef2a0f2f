"""What the platform keeps in its state directory is in force again after SIGKILL."""

from __future__ import annotations

import io
import json
import signal
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

from tests.functional.faas.platform import CODE, ROLE, Platform, eventually, zipped


def layer_of(text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("python/inside.py", f"TEXT = {text!r}\n")
    return buffer.getvalue()


def without(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def seen(client: Any, arn: str) -> list[Any]:
    """All that is shown of the function `f`."""
    return [
        without(client.list_versions_by_function(FunctionName="f")),
        without(client.list_aliases(FunctionName="f")),
        without(client.list_tags(Resource=arn)),
        without(client.get_function_concurrency(FunctionName="f")),
        without(client.list_layers()),
        without(client.get_layer_version_policy(LayerName="l", VersionNumber=1)),
        without(client.get_runtime_management_config(FunctionName="f", Qualifier="1")),
        without(client.get_function_recursion_config(FunctionName="f")),
    ]


def test_everything_of_a_function_survives(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    with Platform("--state", state) as first:
        client = first.client
        layers = [
            client.publish_layer_version(LayerName=name, Content={"ZipFile": layer_of(name)})["LayerVersionArn"]
            for name in ("k", "l")
        ]
        client.add_layer_version_permission(
            LayerName="l", VersionNumber=1, StatementId="s", Action="lambda:GetLayerVersion", Principal="*"
        )
        code = zipped(app="import inside\ndef handler(event, context):\n    return inside.TEXT\n")
        arn = client.create_function(
            FunctionName="f", Runtime="python3.11", Role=ROLE, Handler="app.handler", Code={"ZipFile": code},
            Layers=layers, Tags={"team": "blue"}, Publish=True,
        )["FunctionArn"]  # fmt: skip
        client.update_function_code(FunctionName="f", ZipFile=CODE, Publish=True)
        weights = {"AdditionalVersionWeights": {"2": 0.25}}
        client.create_alias(FunctionName="f", Name="live", FunctionVersion="1", RoutingConfig=weights)
        client.create_alias(FunctionName="f", Name="ready", FunctionVersion="2")
        client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=5)
        client.put_provisioned_concurrency_config(
            FunctionName="f", Qualifier="ready", ProvisionedConcurrentExecutions=1
        )
        client.put_function_recursion_config(FunctionName="f", RecursiveLoop="Allow")
        before = seen(client, arn)
        first.stop(signal.SIGKILL)
    with Platform("--state", state) as second:
        client = second.client
        assert seen(client, arn) == before
        assert second.value("f", Qualifier="1") == "l", "code and merged layers too"

        def ready() -> bool:
            found = client.get_provisioned_concurrency_config(FunctionName="f", Qualifier="ready")
            return bool(found["Status"] == "READY")

        eventually(ready, 90)
        client.update_function_configuration(FunctionName="f", Timeout=9)
        assert client.publish_version(FunctionName="f")["Version"] == "3"
        assert client.publish_layer_version(LayerName="l", Content={"ZipFile": layer_of("x")})["Version"] == 2


def test_a_state_directory_of_the_last_release_is_taken_up(tmp_path: Path) -> None:
    with Platform("--state", str(tmp_path)) as first:
        first.client.create_function(
            FunctionName="f", Runtime="python3.11", Role=ROLE, Handler="app.handler", Code={"ZipFile": CODE}
        )
    _as_first_release(tmp_path / "platform.sqlite3")
    with Platform("--state", str(tmp_path)) as second:
        assert second.value("f")["name"] == "f"
        assert second.client.publish_version(FunctionName="f")["Version"] == "1"


def _as_first_release(path: Path) -> None:
    """Write the function as version 0.1 did: its record knows no more fields, and there are two tables."""
    database = sqlite3.connect(path)
    (text,) = database.execute("SELECT record FROM functions").fetchone()
    fields = ("name", "region", "settings", "code_sha256", "code_size", "last_modified", "revision", "tags", "reserved")
    record = {key: value for key, value in json.loads(text).items() if key in fields}
    record["settings"]["SnapStart"] = {"ApplyOn": "None", "OptimizationStatus": "Off"}
    tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        database.execute(f"DROP TABLE {table}")
    database.executescript(
        "CREATE TABLE functions (name TEXT PRIMARY KEY, record TEXT NOT NULL);"
        "CREATE TABLE events (id TEXT PRIMARY KEY, function TEXT NOT NULL, payload BLOB NOT NULL, client_context TEXT "
        "NOT NULL, accepted_s REAL NOT NULL, due_s REAL NOT NULL, attempts INTEGER NOT NULL);"
        "PRAGMA user_version = 0;"
    )
    database.execute("INSERT INTO functions VALUES ('f', ?)", (json.dumps(record),))
    database.commit()
    database.close()
