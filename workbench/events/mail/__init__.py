"""Mail: a message that arrives by SMTP goes through the active receipt rule set of SES, which may invoke a function.

    GET /_workbench/mail    {"host", "port"}: where the listener is; the login is the platform's access key and secret

The rules are made with SES's own operations at the AWS endpoint, and read anew for each message.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from workbench.events.flow import Flow
from workbench.events.mail.delivery import Delivery
from workbench.events.mail.listener import Listener
from workbench.events.mail.message import Message
from workbench.events.mail.rules import RuleSet
from workbench.faas.companion import Host
from workbench.faas.front.api_model import Answer
from workbench.faas.front.http_front import Streamed
from workbench.faas.operations.context import Table

__all__ = ["Mail"]

_HOST = "127.0.0.1"


class Mail:
    """The mail server of one platform; a companion of it."""

    operations: Table = {}  # noqa: RUF012 -- none: it has no word in Lambda's API

    def __init__(self, host: Host, flow: Flow) -> None:
        self._host = host
        self._flow = flow
        self._listener = Listener(host.is_owner, self._rules, self._deliver)
        self._port = 0

    async def answer(self, method: str, path: Sequence[str], query: str, body: bytes) -> Answer | Streamed | None:
        """See the module."""
        if (method, list(path)) != ("GET", ["mail"]):
            return None
        text = json.dumps({"host": _HOST, "port": self._port})
        return Answer(200, text.encode(), {"Content-Type": "application/json; charset=utf-8"})

    async def resume(self) -> None:
        """Listen, on a free port."""
        self._port = await self._listener.listen(_HOST)

    async def stop(self) -> None:
        """Take no new message."""
        self._listener.stop_listening()

    async def close(self) -> None:
        """End all connections."""
        await self._listener.close()

    async def _rules(self) -> RuleSet:
        return RuleSet.of(await self._host.context.aws.call("ses", "describe_active_receipt_rule_set"))

    async def _deliver(self, rules: RuleSet, message: Message) -> str:
        return await Delivery(self._host, self._flow, rules, message).run()
