"""Which route a request takes: the order of AWS's own example, and what holds for all tables of routes."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import DeploymentError
from workbench.events.http.routes import Match, Route, Routes


def table(*keys: str) -> Routes:
    return Routes(Route(key) for key in keys)


def matched(match: Match | None) -> tuple[str, dict[str, str]] | None:
    return None if match is None else (match.route.key, dict(match.parameters))


DOCUMENTED = table("$default", "ANY /{proxy+}", "GET /pets/dog/1", "GET /pets/{proxy+}", "GET /pets/dog/{id}")


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/pets/dog/1", ("GET /pets/dog/1", {})),
        ("GET", "/pets/dog/2", ("GET /pets/dog/{id}", {"id": "2"})),
        ("GET", "/pets/cat/1", ("GET /pets/{proxy+}", {"proxy": "cat/1"})),
        ("POST", "/test/5", ("ANY /{proxy+}", {"proxy": "test/5"})),
        ("POST", "/pets/dog/1", ("ANY /{proxy+}", {"proxy": "pets/dog/1"})),
        ("GET", "/", ("$default", {})),
    ],
)
def test_the_most_specific_route_is_taken(method: str, path: str, expected: tuple[str, dict[str, str]]) -> None:
    assert matched(DOCUMENTED.match(method, path)) == expected


def test_a_full_match_comes_before_a_longer_text_with_a_greedy_variable() -> None:
    routes = table("GET /pets/{proxy+}", "GET /{kind}/{id}")
    assert matched(routes.match("GET", "/pets/1")) == ("GET /{kind}/{id}", {"kind": "pets", "id": "1"})


def test_a_method_comes_before_any() -> None:
    routes = table("ANY /x", "GET /x")
    assert matched(routes.match("GET", "/x")) == ("GET /x", {})
    assert matched(routes.match("PUT", "/x")) == ("ANY /x", {})


def test_variables_are_decoded_and_not_empty() -> None:
    routes = table("GET /a/{x}/{rest+}")
    assert matched(routes.match("GET", "/a/%C3%BC%20/b%2Fc/d")) == ("GET /a/{x}/{rest+}", {"x": "ü ", "rest": "b/c/d"})
    assert routes.match("GET", "/a//b") is None
    assert routes.match("GET", "/a/x/") is None
    assert routes.match("GET", "/a/x") is None


def test_a_rest_api_finds_the_resource_first() -> None:
    routes = table("GET /pets/{id}", "ANY /{proxy+}")
    assert routes.match_resource("POST", "/pets/1") is None  # an HTTP API would take the other
    assert matched(routes.match("POST", "/pets/1")) == ("ANY /{proxy+}", {"proxy": "pets/1"})
    assert matched(routes.match_resource("GET", "/pets/1/")) == ("GET /pets/{id}", {"id": "1"})
    assert routes.match_resource("GET", "/") is None


@pytest.mark.parametrize(
    "key",
    ["", "/x", "GET", "GET x", "get /x", "GET /{a+}/b", "GET /{a", "GET /a{b}", "GET //x", "$other", "GET /{a}/{a}"],
)
def test_what_is_no_route_is_refused(key: str) -> None:
    with pytest.raises(DeploymentError, match="no route"):
        table(key)


def test_a_route_that_is_there_twice_is_refused() -> None:
    for other in ("GET /{x}/a", "GET /{y}/a"):
        with pytest.raises(DeploymentError, match="twice"):
            table("GET /{x}/a", other)
    assert len(table("GET /{x}", "GET /{x+}", "ANY /{x}", "$default")) == 4


SEGMENT = st.text(min_size=1, max_size=6)
PATHS = st.lists(SEGMENT, max_size=4).map(lambda parts: "/" + "/".join(quote(part, safe="") for part in parts))
KEYS = st.lists(
    st.builds(
        lambda method, parts, rest: f"{method} /" + "/".join([*parts, *(["{rest+}"] if rest else [])]),
        st.sampled_from(["GET", "POST", "ANY"]),
        st.lists(st.sampled_from(["a", "b", "{x}", "{y}"]), max_size=3, unique=True),
        st.booleans(),
    ),
    unique=True,
    max_size=6,
)


@settings(deadline=None, max_examples=100)
@given(st.lists(SEGMENT, min_size=1, max_size=4))
def test_what_a_greedy_variable_takes_is_the_path(parts: list[str]) -> None:
    found = table("ANY /{rest+}").match("GET", "/" + "/".join(quote(part, safe="") for part in parts))
    assert found is not None
    assert found.parameters["rest"] == "/".join(parts)


@settings(deadline=None, max_examples=150)
@given(KEYS, st.sampled_from(["GET", "POST", "DELETE"]), st.lists(st.sampled_from(["a", "b", "c"]), max_size=4))
def test_the_order_of_the_table_does_not_matter(keys: list[str], method: str, parts: list[str]) -> None:
    distinct = list({key.replace("{y}", "{x}"): key for key in keys}.values())  # as many as AWS tells apart
    path = "/" + "/".join(parts)
    found = matched(table(*distinct).match(method, path))
    assert matched(table(*reversed(distinct)).match(method, path)) == found
    if found is not None:
        taken, _, pattern = found[0].partition(" ")
        assert taken in (method, "ANY")
        rebuilt = "/".join(
            found[1][part.strip("{}+")] if part.startswith("{") else part for part in pattern.strip("/").split("/")
        )
        assert rebuilt == path.strip("/")


@settings(deadline=None, max_examples=100)
@given(PATHS)
def test_the_default_takes_what_is_left(path: str) -> None:
    found = table("GET /only", "$default").match("POST", path)
    assert matched(found) == ("$default", {})
