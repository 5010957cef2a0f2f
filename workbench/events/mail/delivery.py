"""A received message on its way through the receipt rules: every action in order, then one SMTP reply for all of it.

The reply is 250 when all that was asked for is done: stored, published, on disk as an invocation, or answered by a
function that the rules wait for. Where something cannot be done now it is 451, and the sender tries again: actions that
came before run again then, so delivery is at least once. A bounce is that action's own reply; as on AWS it does not
end the rules. What this platform cannot do at all (WorkMail, encryption) is refused with 554 and never left out.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from workbench.events.flow import Flow, What
from workbench.events.mail import telling
from workbench.events.mail.message import Message
from workbench.events.mail.replies import reply
from workbench.events.mail.rules import Action, Rule, RuleSet
from workbench.faas.companion import Host
from workbench.faas.functions.function import ACCOUNT

FUNCTION_WAIT_S = 30.0
"""How long a RequestResponse invocation may take ("Invoke Lambda function action", SES developer guide)."""

PUBLISHED_BYTES = 150 * 1024
"""The largest message that an SNS action publishes; larger ones bounce ("Publish to Amazon SNS topic action")."""

_SUBJECT = "Amazon SES Email Receipt Notification"
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,50}")  # "Add header action"
_CONTINUE, _STOP_RULE, _STOP_RULE_SET = "CONTINUE", "STOP_RULE", "STOP_RULE_SET"


class Refused(Exception):
    """The message cannot be taken, now or later; the text is the SMTP reply."""


class Trouble(Exception):
    """An action cannot be carried out now; the text says why."""


class Delivery:
    """One message and the rules that were in force when it came."""

    def __init__(self, host: Host, flow: Flow, rules: RuleSet, message: Message) -> None:
        self._host = host
        self._flow = flow
        self._rules = rules
        self._message = message
        self._source = f"arn:aws:ses:{host.context.region}:{ACCOUNT}:receipt-rule-set/{rules.name}"
        self._bounce = ""
        self._rule = Rule("")
        self._matched: Sequence[str] = ()
        self._actions: dict[str, Callable[[dict[str, Any]], Awaitable[str]]] = {
            "AddHeaderAction": self._add_header,
            "BounceAction": self._bounced,
            "LambdaAction": self._invoke,
            "S3Action": self._store,
            "SNSAction": self._publish,
            "StopAction": self._stop,
        }

    async def run(self) -> str:
        """Apply all rules; the SMTP reply."""
        self._tell(What.RECEIVED, detail=f"{self._message.source or '<>'} to {', '.join(self._message.recipients)}")
        try:
            await self._apply()
        except Refused as refused:
            self._bounce = str(refused)
        except Exception as error:  # whatever it was, the sender still has the message
            detail = f"{self._rule.name}: {error or type(error).__name__}"
            print(f"mail {self._message.id} could not be processed: {detail}", file=sys.stderr, flush=True)
            self._tell(What.FAILED, detail=detail)
            return reply(451, "4.3.0", f"{detail} (the message is not taken: send it again later)")
        if self._bounce:
            self._tell(What.DROPPED, detail=self._bounce)
            return self._bounce
        return reply(250, "2.0.0", f"OK {self._message.id}")

    async def _apply(self) -> None:
        for rule, matched in self._rules.matching(self._message.recipients):
            self._rule, self._matched = rule, matched
            for action in rule.actions:
                disposition = await self._act(action)
                if disposition == _STOP_RULE_SET:
                    return
                if disposition == _STOP_RULE:
                    break

    async def _act(self, action: Action) -> str:
        kind, settings = action
        if kind not in self._actions:
            raise Refused(reply(554, "5.3.3", f"rule {self._rule.name} has a {kind}, which this platform cannot do"))
        return await self._actions[kind](settings)

    # ---- the actions: each says how the rules go on ------------------------------------------------------------------

    async def _add_header(self, settings: dict[str, Any]) -> str:
        name, value = settings["HeaderName"], settings["HeaderValue"]
        if not _HEADER_NAME.fullmatch(name):
            raise Refused(reply(554, "5.3.5", f"rule {self._rule.name} adds a header of the wrong name {name!r}"))
        self._message = self._message.with_header(name, value)
        return _CONTINUE

    async def _bounced(self, settings: dict[str, Any]) -> str:
        told = {
            "type": "Bounce",
            "smtpReplyCode": settings["SmtpReplyCode"],
            "message": settings["Message"],
            "sender": settings["Sender"],
        }
        if settings.get("StatusCode"):
            told["statusCode"] = settings["StatusCode"]
        code = int(settings["SmtpReplyCode"]) if re.fullmatch("[45][0-9][0-9]", settings["SmtpReplyCode"]) else 550
        self._bounce = reply(code, settings.get("StatusCode") or f"{code // 100}.0.0", settings["Message"])
        await self._notify(told, settings)
        return _CONTINUE

    async def _invoke(self, settings: dict[str, Any]) -> str:
        function, kind = settings["FunctionArn"], settings.get("InvocationType") or "Event"
        told = {"type": "Lambda", "functionArn": function, "invocationType": kind}
        if settings.get("TopicArn"):
            told["topicArn"] = settings["TopicArn"]
        payload = telling.event(self._message, self._receipt(told))
        if kind == "RequestResponse":
            disposition = await self._ask(function, payload)
        else:
            request = await self._host.accept(function, payload)
            self._tell(What.ACCEPTED, function, request=request)
            disposition = _CONTINUE
        await self._notify(told, settings)
        return disposition

    async def _ask(self, function: str, payload: bytes) -> str:
        """Invoke a function and wait: how the rules go on is what it says, and anything else means on."""
        self._tell(What.INVOKED, function)
        call = asyncio.ensure_future(self._host.invoke(function, payload))
        done, _ = await asyncio.wait([call], timeout=FUNCTION_WAIT_S)
        if not done:  # it goes on by itself, as an invocation does whose caller has left
            call.add_done_callback(lambda late: late.cancelled() or late.exception())
            raise Trouble(f"{function} did not answer within {FUNCTION_WAIT_S:g} s")
        outcome = call.result()
        ran = {"request": outcome.request, "instance": outcome.instance}
        if outcome.error is not None:
            self._tell(What.FAILED, function, detail=outcome.error, **ran)
            raise Trouble(f"{function} failed ({outcome.error})")
        disposition = _disposition(outcome.payload)
        self._tell(What.ANSWERED, function, detail=disposition, **ran)
        return disposition

    async def _store(self, settings: dict[str, Any]) -> str:
        if settings.get("KmsKeyArn"):
            raise Refused(reply(554, "5.3.3", f"rule {self._rule.name} encrypts, which this platform cannot do"))
        prefix, bucket = settings.get("ObjectKeyPrefix") or "", settings["BucketName"]
        told = {"type": "S3", "bucketName": bucket, "objectKeyPrefix": prefix, "objectKey": prefix + self._message.id}
        content = self._message.content
        await self._host.context.aws.call("s3", "put_object", Bucket=bucket, Key=told["objectKey"], Body=content)
        await self._notify(told, settings)
        return _CONTINUE

    async def _publish(self, settings: dict[str, Any]) -> str:
        content = self._message.content
        if len(content) > PUBLISHED_BYTES:
            raise Refused(reply(552, "5.3.4", f"the message is larger than the {PUBLISHED_BYTES} bytes of a topic"))
        plain = settings.get("Encoding") != "Base64"
        text = content.decode("utf-8", "replace") if plain else base64.b64encode(content).decode()
        told = {"type": "SNS", "encoding": "UTF8" if plain else "BASE64"}
        await self._notify(told, settings, text)
        return _CONTINUE

    async def _stop(self, settings: dict[str, Any]) -> str:
        await self._notify({"type": "Stop"}, settings)
        return _STOP_RULE_SET

    # ---- what they share ---------------------------------------------------------------------------------------------

    def _receipt(self, told: dict[str, Any]) -> dict[str, Any]:
        now_s = self._host.now_s()
        return telling.receipt(self._message, self._matched, told, scan=self._rule.scan, now_s=now_s)

    async def _notify(self, told: dict[str, Any], settings: dict[str, Any], content: str | None = None) -> None:
        """Tell the action's topic, if it has one."""
        topic = settings.get("TopicArn")
        if topic:
            text = telling.notification(self._message, self._receipt({**told, "topicArn": topic}), content)
            await self._host.context.aws.call("sns", "publish", TopicArn=topic, Message=text, Subject=_SUBJECT)

    def _tell(self, what: What, function: str = "", *, request: str = "", instance: str = "", detail: str = "") -> None:
        ids = [self._message.id]
        self._flow.tell(what, self._source, function, ids, request=request, instance=instance, detail=detail)


def _disposition(payload: bytes) -> str:
    try:
        answer = json.loads(payload)
    except ValueError:
        return _CONTINUE
    said = answer.get("disposition") if isinstance(answer, dict) else None
    return said if said in (_STOP_RULE, _STOP_RULE_SET) else _CONTINUE
