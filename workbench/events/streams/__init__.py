"""Pollers of Kinesis streams and of the streams of DynamoDB tables.

`shard`, `lane` and `windows` decide and are pure; `kinesis` and `dynamodb` are the two sources; `shard_poller` and
`poller` do what was decided; `checkpoints` is what outlives the process.
"""

from __future__ import annotations

from workbench.events.streams.poller import start_dynamodb_poller, start_kinesis_poller

__all__ = ["start_dynamodb_poller", "start_kinesis_poller"]
