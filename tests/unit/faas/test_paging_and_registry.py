"""Pages of a list that changes meanwhile, and which version an alias leads to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.faas.aws_errors import AwsError
from workbench.faas.functions.function import Function, new_function
from workbench.faas.functions.registry import Alias, Functions
from workbench.faas.operations.paging import page

ROLE = "arn:aws:iam::000000000000:role/test"


def function(name: str = "f") -> Function:
    given = {"Runtime": "python3.11", "Handler": "a.b", "Role": ROLE, "Tags": {"a": "b"}}
    return new_function(name, "us-east-1", given, "00" * 32, 10)


@given(st.sets(st.text(max_size=6)), st.integers(1, 60))
def test_pages_hold_everything_once_in_order(entries: set[str], size: int) -> None:
    got: list[str] = []
    marker: str | None = ""
    while marker is not None:
        listed, marker = page(entries, str, {"Marker": marker, "MaxItems": size})
        assert len(listed) <= min(size, 50)
        assert marker is None or len(listed) == min(size, 50)
        got += listed
    assert got == sorted(entries)


def test_what_is_deleted_between_pages_shifts_nothing() -> None:
    first, marker = page("abcdef", str, {"MaxItems": 3})
    assert first == ["a", "b", "c"]
    assert page("adef", str, {"MaxItems": 3, "Marker": marker})[0] == ["d", "e", "f"]


@given(st.text(min_size=1, max_size=20).filter(lambda text: not text.startswith("YWZ0ZX")))
def test_any_other_marker_is_an_error_of_aws(marker: str) -> None:
    with pytest.raises(AwsError, match="take NextMarker") as caught:
        page("abc", str, {"Marker": marker})
    assert caught.value.code == "InvalidParameterValueException"


@given(st.floats(0, 1), st.floats(0, 1, exclude_max=True))
def test_an_alias_gives_the_weight_to_the_other_version(weight: float, draw: float) -> None:
    assert Alias("f", "live", "1", weights={"2": weight}).choose(draw) == ("2" if draw < weight else "1")


def test_aliases_and_functions_come_back_from_json() -> None:
    alias = Alias("f", "live", "1", "what", {"2": 0.25})
    assert Alias.from_json(alias.to_json()) == alias
    layered = function().with_layers([("arn:layer:1", "aa" * 32, 5)])
    assert Function.from_json(layered.to_json()) == layered
    assert Function.from_json(layered.to_json()).content == layered.content


def test_versions_are_in_the_order_of_their_numbers_without_the_functions_own() -> None:
    functions = Functions()
    latest = function()
    functions.put(latest)
    for number in (10, 9, 1):
        functions.put(latest.published(number, None))
    assert [f.number for f in functions.versions("f")] == ["1", "9", "10"]
    assert functions.versions("f")[0].tags == {}, "tags are the function's"
    assert [f.number for f in functions.everything()] == ["$LATEST", "1", "9", "10"]
    functions.remove_version("f", "9")
    assert functions.version("f", "9") is None
    assert functions.version("f", "$LATEST") == latest
    functions.remove("f")
    assert list(functions.everything()) == []


def test_a_published_version_differs_by_number_and_description_alone() -> None:
    latest = function()
    version = latest.published(3, "as released")
    assert (version.id, version.number, version.version_arn) == ("f:3", "3", latest.arn + ":3")
    assert version.settings == {**latest.settings, "Description": "as released"}
    assert version.origin == latest.content
    assert version.revision != latest.revision
    assert latest.with_settings({"Timeout": 9}).content != latest.content
    assert latest.with_code(latest.code_sha256, latest.code_size).content == latest.content


@pytest.mark.parametrize(
    ("change", "text"),
    [({"Runtime": "nodejs22.x"}, "not supported for SnapStart"), ({"EphemeralStorage": {"Size": 1024}}, "512 MB")],
)
def test_what_snap_start_cannot_have(change: dict[str, object], text: str) -> None:
    with pytest.raises(AwsError, match=text):
        function().with_settings({"SnapStart": {"ApplyOn": "PublishedVersions"}, **change})


def test_a_version_with_snap_start_is_pending_until_its_snapshot_is_made() -> None:
    latest = function().with_settings({"SnapStart": {"ApplyOn": "PublishedVersions"}})
    assert latest.configuration()["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}
    shown = latest.published(1, None).configuration()
    assert (shown["State"], shown["StateReasonCode"]) == ("Pending", "Creating")
