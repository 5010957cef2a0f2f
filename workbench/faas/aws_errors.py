"""An error as AWS's API answers it."""

from __future__ import annotations

from workbench.errors import WorkbenchError


class AwsError(WorkbenchError):
    """Error `code` of AWS's API; `members` are further fields of its shape, `status` overrides the model's."""

    def __init__(self, code: str, message: str, *, status: int | None = None, **members: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.members = members


STATUS_BEYOND_MODEL: dict[str, int] = {
    "AccessDeniedException": 403,
    "IncompleteSignatureException": 400,
    "InvalidSignatureException": 403,
    "MissingAuthenticationTokenException": 403,
    "OperationNotSupportedException": 501,
    "SerializationException": 400,
    "UnknownOperationException": 404,
    "UnrecognizedClientException": 403,
    "ValidationException": 400,
}
"""Errors that every AWS API may answer, so that no service's model lists them."""


def not_found(arn: str) -> AwsError:
    """What Lambda says of a function that is not there."""
    return AwsError("ResourceNotFoundException", f"Function not found: {arn}", Type="User")


def invalid(message: str) -> AwsError:
    """What Lambda says of a value it cannot use."""
    return AwsError("InvalidParameterValueException", message, Type="User")
