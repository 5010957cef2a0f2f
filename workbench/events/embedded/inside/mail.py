"""SES: the functions that receipt rules name must be the platform's. Mail itself comes in elsewhere."""

from __future__ import annotations

from typing import Any

from moto.ses.exceptions import InvalidLambdaFunctionException
from moto.ses.models import SESBackend

from workbench.events.embedded.inside.outbox import Outbox
from workbench.events.embedded.inside.seam import replace


def install(outbox: Outbox) -> None:
    """From now on an action's function is looked for on the platform."""

    def validate(backend: Any, action: dict[str, str]) -> None:
        if not outbox.exists(action["FunctionArn"]):
            raise InvalidLambdaFunctionException(f"Invalid Lambda function: {action['FunctionArn']}")
        backend._validate_sns_topic(action.get("TopicArn"))

    replace(SESBackend, "_validate_lambda_action", validate)
