"""What an order looks like in each kind of event."""

import base64
import json
import urllib.parse
from typing import Any


def read(record: Any) -> Any:
    """The order in a record of SQS, Kinesis or S3: {"id": "A1", "cents": 500}.

    Raises ValueError for one that has no amount. It never will have one.
    """
    if "s3" in record:
        text = urllib.parse.unquote_plus(record["s3"]["object"]["key"])
    elif "kinesis" in record:
        text = base64.b64decode(record["kinesis"]["data"]).decode()
    else:
        text = record["body"]
    order = json.loads(text)
    if not isinstance(order.get("cents"), int):
        raise ValueError(f"order {order['id']} has no amount")
    return order
