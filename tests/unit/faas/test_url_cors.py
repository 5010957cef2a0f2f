"""What a browser is told about a function URL."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.faas.urls.url_cors import answer_headers, is_preflight, without_own

SITE = "https://site.example"


@pytest.mark.parametrize(
    ("method", "headers", "is_one"),
    [
        ("OPTIONS", {"Origin": SITE, "Access-Control-Request-Method": "PUT"}, True),
        ("OPTIONS", {"Origin": SITE}, False),
        ("GET", {"Origin": SITE, "Access-Control-Request-Method": "PUT"}, False),
        ("OPTIONS", {"Access-Control-Request-Method": "PUT"}, False),
    ],
)
def test_a_preflight_is_told_from_a_function_s_own_options(method: str, headers: dict[str, str], is_one: bool) -> None:
    assert is_preflight(method, headers) is is_one


@pytest.mark.parametrize(
    ("cors", "origin", "shown"),
    [
        ({"AllowOrigins": ["*"]}, SITE, "*"),
        ({"AllowOrigins": [SITE]}, SITE, SITE),
        ({"AllowOrigins": ["*"], "AllowCredentials": True}, SITE, SITE),
        ({"AllowOrigins": ["https://other.example"]}, SITE, None),
        ({"AllowOrigins": [SITE]}, "", None),
        ({"AllowMethods": ["GET"]}, SITE, None),
    ],
)
def test_only_an_origin_that_is_allowed_is_told_so(cors: dict[str, Any], origin: str, shown: str | None) -> None:
    found = dict(answer_headers(cors, origin, preflight=False))
    assert found.get("Access-Control-Allow-Origin") == shown
    assert ("Vary" in found) is (shown == SITE)


def test_a_preflight_hears_methods_and_headers_and_an_answer_what_may_be_read() -> None:
    cors = {
        "AllowOrigins": ["*"],
        "AllowMethods": ["GET", "PUT"],
        "AllowHeaders": ["x-a", "x-b"],
        "ExposeHeaders": ["x-c"],
        "MaxAge": 0,
    }
    assert dict(answer_headers(cors, SITE, preflight=True)) == {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": "GET,PUT",
        "Access-Control-Allow-Headers": "x-a,x-b",
        "Access-Control-Max-Age": "0",
    }
    assert dict(answer_headers(cors, SITE, preflight=False)) == {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": "x-c",
    }


def test_a_function_s_own_words_about_origins_give_way() -> None:
    assert without_own([("Access-Control-Allow-Origin", "*"), ("x-a", "1")]) == [("x-a", "1")]
