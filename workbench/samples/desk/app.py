"""An order desk that takes orders from wherever they come.

Each way to invoke a function brings an event of its own shape, and nothing else tells the handler
how it was called. `orders_of` knows the shapes: it says which way the event came, and which orders
are in it, as names such as "tea". There may be one, or a whole batch.

Every order takes DESK_S seconds (0.02 unless the environment says otherwise). An order whose name
begins with "bad" makes the handler fail, as an order does that nobody has thought of. What the desk
does is printed, a line of JSON an invocation, and so it is in the log.
"""

import base64
import json
import os
import time
import urllib.parse

DESK_S = float(os.environ.get("DESK_S", "0.02"))


def of_record(record):
    """The order in one record of S3, SQS, Kinesis, DynamoDB or SES."""
    if "s3" in record:
        return urllib.parse.unquote_plus(record["s3"]["object"]["key"])
    if "kinesis" in record:
        return base64.b64decode(record["kinesis"]["data"]).decode()
    if "dynamodb" in record:
        return record["dynamodb"]["Keys"]["order"]["S"]
    if "ses" in record:
        return record["ses"]["mail"]["commonHeaders"]["subject"]
    return record["body"]


def orders_of(event):
    """How the event came, and the orders in it."""
    if "Records" in event:
        records = event["Records"]
        return records[0]["eventSource"].removeprefix("aws:"), [of_record(record) for record in records]
    if "requestContext" in event:
        return "http", [event["pathParameters"]["order"]]
    if event.get("detail-type") == "Scheduled Event":
        return "schedule", [f"stocktaking {event['time']}"]
    return "direct", [event["order"]]


def handler(event, context):
    """Take the orders of any event; the answer says how it came and how many there were."""
    began = time.time()
    way, orders = orders_of(event)
    time.sleep(DESK_S * len(orders))
    print(json.dumps({"way": way, "orders": orders, "began": began, "ended": time.time()}), flush=True)
    for order in orders:
        if order.startswith("bad"):
            raise ValueError(f"nobody here can make {order!r}")
    if way == "http":
        return {"statusCode": 200, "body": f"{orders[0]} is on its way\n"}
    return {"way": way, "orders": len(orders)}
