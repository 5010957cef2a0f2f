from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from botocore.loaders import Loader
from hypothesis import given
from hypothesis import strategies as st

from workbench.faas.aws_errors import AwsError
from workbench.faas.front.api_model import ApiModel

MODEL = ApiModel()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
MEMBERS = sorted(MODEL.operation("CreateFunction").input_shape.members)


def parse(operation: str, body: Any = b"", query: str = "", headers: dict[str, str] | None = None, **path: str) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return MODEL.parse(MODEL.operation(operation), path, query, headers or {}, content)


def test_every_operation_of_the_model_is_routed_to_itself() -> None:
    model = Loader().load_service_model("lambda", "service-2")
    for name, operation in model["operations"].items():
        path, _, query = operation["http"]["requestUri"].partition("?")
        for placeholder in ("{", "}", "+"):
            path = path.replace(placeholder, "")
        assert MODEL.route(operation["http"]["method"], path, query)[0].name == name


def test_path_parameters_are_decoded_and_stay_apart() -> None:
    operation, parameters = MODEL.route("POST", "/2015-03-31/functions/arn%3Aaws%3A%2Fx/invocations")
    assert (operation.name, parameters) == ("Invoke", {"FunctionName": "arn:aws:/x"})


def test_an_unknown_path_is_an_error_of_aws() -> None:
    with pytest.raises(AwsError) as caught:
        MODEL.route("GET", "/nothing")
    answer = MODEL.error(caught.value, "id")
    assert answer.status == 404
    assert answer.headers["x-amzn-errortype"] == "UnknownOperationException"


def test_input_comes_from_path_query_headers_and_body() -> None:
    given = parse("Invoke", b"raw", "Qualifier=%24LATEST", {"X-Amz-Log-Type": "Tail"}, FunctionName="f")
    assert given == {"FunctionName": "f", "LogType": "Tail", "Qualifier": "$LATEST", "Payload": b"raw"}
    assert parse("ListFunctions", query="MaxItems=5&Marker=m") == {"MaxItems": 5, "Marker": "m"}
    blob = base64.b64encode(b"zip").decode()
    assert parse("UpdateFunctionCode", {"ZipFile": blob, "Unknown": 1}, FunctionName="f") == {
        "FunctionName": "f",
        "ZipFile": b"zip",
    }


@pytest.mark.parametrize(
    ("operation", "body", "constraint"),
    [
        ("CreateFunction", {}, "3 validation errors detected"),
        ("UpdateFunctionConfiguration", {"Timeout": 99999}, "less than or equal to"),
        ("UpdateFunctionConfiguration", {"MemorySize": 1}, "greater than or equal to 128"),
        ("UpdateFunctionConfiguration", {"Runtime": "cobol"}, "Member must satisfy enum value set"),
        ("UpdateFunctionConfiguration", {"Handler": "a b"}, "Member must satisfy regular expression pattern"),
        ("UpdateFunctionConfiguration", {"Handler": "a" * 129}, "length less than or equal to 128"),
        ("UpdateFunctionConfiguration", {"Environment": {"Variables": {"1": "x"}}}, "'environment.variables.1'"),
    ],
)
def test_constraints_are_the_models(operation: str, body: dict[str, Any], constraint: str) -> None:
    path = {} if operation == "CreateFunction" else {"FunctionName": "f"}
    with pytest.raises(AwsError, match=constraint) as caught:
        parse(operation, body, **path)
    assert caught.value.code == "ValidationException"


@given(st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=6) | JSON)
def test_whatever_json_comes_is_read_or_refused(body: Any) -> None:
    try:
        given = parse("CreateFunction", body)
    except AwsError as error:
        refusal = MODEL.error(error, "id")
    else:
        assert set(given) <= set(MEMBERS)
        return
    assert refusal.status == 400


@given(st.binary(max_size=200))
def test_whatever_bytes_come_are_read_or_refused(body: bytes) -> None:
    with pytest.raises(AwsError):
        parse("CreateFunction", body)


def test_output_is_what_the_model_has_and_nothing_else() -> None:
    output = {"FunctionName": "f", "Secret": 1, "Environment": {"Variables": {"A": "b"}, "Hidden": 2}, "Timeout": None}
    answer = MODEL.serialise(MODEL.operation("CreateFunction"), output, "id")
    assert answer.status == 201
    assert json.loads(answer.body) == {"FunctionName": "f", "Environment": {"Variables": {"A": "b"}}}
    assert MODEL.serialise(MODEL.operation("DeleteFunctionConcurrency"), {}, "id").status == 204


def test_an_error_has_its_shapes_status_fields_and_headers() -> None:
    error = AwsError("TooManyRequestsException", "Rate Exceeded.", Reason="R", Type="User", retryAfterSeconds="1")
    answer = MODEL.error(error, "id")
    assert answer.status == 429
    assert answer.headers["Retry-After"] == "1"
    assert json.loads(answer.body) == {"Reason": "R", "Type": "User", "message": "Rate Exceeded."}
    missing = MODEL.error(AwsError("ResourceNotFoundException", "no", Type="User"), "id")
    assert (missing.status, json.loads(missing.body)) == (404, {"Type": "User", "Message": "no"})
