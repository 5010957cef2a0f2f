"""Whether an event source is there, and fits its function: asked of the service when a mapping is made."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

from workbench.errors import DeploymentError
from workbench.faas.asynchronous.aws_client import AwsClients
from workbench.faas.aws_errors import AwsError, invalid
from workbench.faas.functions.function import Function


async def check(aws: AwsClients, source: str, function: Function) -> None:
    """Raise AwsError InvalidParameterValueException when `source` cannot be read, or not for this function."""
    service = source.split(":")[2]
    try:
        if service == "sqs":
            await _check_queue(aws, source, function)
        elif service == "kinesis":
            await aws.call("kinesis", "describe_stream_summary", StreamARN=source)
        else:
            await aws.call("dynamodbstreams", "describe_stream", StreamArn=source, Limit=1)
    except ClientError as error:
        said = error.response.get("Error", {})
        if service == "sqs":
            raise invalid(
                f"Error occurred while ReceiveMessage. SQS Error Code: {said.get('Code')}. "
                f"SQS Error Message: {said.get('Message')} Create the queue {source} first."
            ) from error
        raise invalid(f"Stream not found: {source}. ({said.get('Message')}) Create it first.") from error
    except (BotoCoreError, DeploymentError) as error:
        raise AwsError("ServiceException", f"The event source {source} cannot be asked: {error}") from error


async def _check_queue(aws: AwsClients, source: str, function: Function) -> None:
    url = (await aws.call("sqs", "get_queue_url", QueueName=source.rpartition(":")[2]))["QueueUrl"]
    answer = await aws.call("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["All"])
    attributes = answer["Attributes"]
    if attributes.get("QueueArn", source) != source:
        raise invalid(f"The queue of that name is {attributes['QueueArn']}; give this ARN instead of {source}.")
    visible_s = int(attributes.get("VisibilityTimeout", 30))
    if visible_s < function.timeout_s:
        raise invalid(
            f"Queue visibility timeout: {visible_s} seconds is less than Function timeout: "
            f"{function.timeout_s:g} seconds. Raise the queue's VisibilityTimeout, or lower the function's Timeout."
        )
