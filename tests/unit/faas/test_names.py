"""The ways to name a function: every one of them is read, and nothing else ends in anything but an AWS error."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.faas.aws_errors import AwsError
from workbench.faas.front.api_model import ApiModel
from workbench.faas.functions.names import Named, function_arn, layer_arn, parse, parse_layer, parse_unqualified

REGION = "us-east-1"
NAMES = st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True).filter(
    # Read as an account or a prefix where something follows, by the model's own pattern too.
    lambda name: not re.fullmatch(r"\d{12}|function|[a-z]{2}(-gov|-iso[a-z]?)?-[a-z]+-\d", name)
)
QUALIFIERS = st.one_of(
    st.just("$LATEST"), st.integers(1, 10**9).map(str), st.from_regex(r"[a-zA-Z0-9_-]{1,40}", fullmatch=True)
)
FORMS = (
    "{name}",
    "function:{name}",
    "000000000000:function:{name}",
    "000000000000:{name}",
    "us-east-1:000000000000:function:{name}",
    "arn:aws:lambda:us-east-1:000000000000:function:{name}",
)


@given(NAMES, st.none() | QUALIFIERS, st.sampled_from(FORMS))
def test_every_form_names_the_same(name: str, qualifier: str | None, form: str) -> None:
    text = form.format(name=name) + (f":{qualifier}" if qualifier else "")
    assert parse(text, REGION) == Named(name, qualifier)
    assert parse(text, REGION, qualifier) == Named(name, qualifier)
    assert parse(form.format(name=name), REGION, qualifier) == Named(name, qualifier)
    assert parse(Named(name, qualifier).arn(REGION), REGION) == Named(name, qualifier)


@given(NAMES, QUALIFIERS, QUALIFIERS)
def test_two_qualifiers_must_agree(name: str, first: str, second: str) -> None:
    if first == second:
        assert parse(f"{name}:{first}", REGION, second).qualifier == first
        return
    with pytest.raises(AwsError, match="does not match the specified qualifier") as caught:
        parse(f"{name}:{first}", REGION, second)
    assert caught.value.code == "InvalidParameterValueException"


@given(st.text(max_size=80) | st.text(alphabet="arn:wslmbdfuctio$LATES01-.", max_size=60))
def test_any_text_is_a_name_or_an_error_of_aws(text: str) -> None:
    for read in (parse, parse_layer):
        try:
            read(text, REGION)
        except AwsError as error:
            refused = error.code
        else:
            continue
        assert refused in ("ValidationException", "ResourceNotFoundException", "AccessDeniedException")


_PATTERN = ApiModel().operation("GetFunction").input_shape.members["FunctionName"].metadata["pattern"]  # type: ignore[union-attr]


@given(st.from_regex(_PATTERN, fullmatch=True).filter(str.isascii))
def test_what_the_model_lets_pass_is_understood(text: str) -> None:
    try:
        named = parse(text, REGION)
    except AwsError as error:
        refused = error.code
    else:
        assert text.endswith(named.name + (f":{named.qualifier}" if named.qualifier else ""))
        return
    assert refused in ("ResourceNotFoundException", "AccessDeniedException"), "another region or account"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("111111111111:function:f", "AccessDeniedException"),
        ("arn:aws:lambda:eu-west-1:000000000000:function:f", "ResourceNotFoundException"),
        ("arn:aws:s3:::bucket", "ValidationException"),
        ("a b", "ValidationException"),
        ("", "ValidationException"),
    ],
)
def test_what_is_elsewhere_or_no_name(text: str, code: str) -> None:
    with pytest.raises(AwsError) as caught:
        parse(text, REGION)
    assert caught.value.code == code


def test_what_only_a_whole_function_has_takes_no_qualifier() -> None:
    assert parse_unqualified("f", REGION) == "f"
    with pytest.raises(AwsError, match="Aliases and versions do not support this operation"):
        parse_unqualified("f:live", REGION)


@given(st.from_regex(r"[a-zA-Z0-9_-]{1,140}", fullmatch=True), st.integers(1, 10**9))
def test_layers_are_named_by_name_or_arn(name: str, version: int) -> None:
    assert parse_layer(name, REGION) == (name, None)
    assert parse_layer(layer_arn(REGION, name), REGION) == (name, None)
    assert parse_layer(layer_arn(REGION, name, version), REGION) == (name, version)


def test_arns() -> None:
    assert function_arn(REGION, "f", "7") == "arn:aws:lambda:us-east-1:000000000000:function:f:7"
    assert Named("f").arn(REGION) == "arn:aws:lambda:us-east-1:000000000000:function:f"
