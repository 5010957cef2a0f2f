"""The shop's ledger: a table that all instances share, and that outlives them."""

from typing import Any

import boto3

_tables: Any = boto3.client("dynamodb")


class AlreadyBooked(Exception):
    """There is an entry under this key."""


class Busy(Exception):
    """The ledger cannot take the entry now. A little later it can."""


def book(key: str, order: str, cents: int) -> None:
    """Write an entry of so many cents for an order, under a key of your choice, which has one entry at most.

    Raises AlreadyBooked when there is an entry under the key, and Busy when the ledger has no time.
    """
    if order.startswith("busy") and _put("asked", order):
        raise Busy(f"no time for {order}")
    if not _put("ledger", key, order={"S": order}, cents={"N": str(cents)}):
        raise AlreadyBooked(key)


def _put(table: str, key: str, **values: Any) -> bool:
    """Whether it was put there, as nothing was under that key. One question, so that no other can come in between."""
    try:
        _tables.put_item(
            TableName=table,
            Item={"key": {"S": key}, **values},
            ConditionExpression="attribute_not_exists(#k)",
            ExpressionAttributeNames={"#k": "key"},
        )
    except _tables.exceptions.ConditionalCheckFailedException:
        return False
    return True
