"""Mail end to end: smtplib sends to the platform, receipt rules made with boto3 store, publish and invoke."""

from __future__ import annotations

import base64
import itertools
import json
import signal
import smtplib
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import SesModel

from tests.functional.faas.aws import REGION, Aws, Queue
from tests.functional.faas.platform import Platform, eventually, zipped

LAMBDA = f"arn:aws:lambda:{REGION}:000000000000:function:"
SENDER, JOE = "jane@example.com", "joe@example.org"
HELLO = b"From: Jane <jane@example.com>\r\nTo: joe@example.org\r\nSubject: Hello\r\n\r\nHello, Joe.\r\n"
DISPOSES = """
def handler(event, context):
    subject = event["Records"][0]["ses"]["mail"]["commonHeaders"]["subject"]
    if subject == "fail":
        raise ValueError("as told")
    return None if subject == "nothing" else {"disposition": subject}
"""
STOP = {"StopAction": {"Scope": "RuleSet"}}

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with pytest.MonkeyPatch.context() as patch, Aws() as running:
        # This server knows nothing of the platform's functions, and would refuse a rule that names one.
        patch.setattr("moto.ses.models.SESBackend._validate_lambda_action", lambda *_: None)
        yield running


@pytest.fixture(scope="module")
def platform(aws: Aws) -> Iterator[Platform]:
    with Platform("--retry-scale", "0.002", "--aws-endpoint", aws.endpoint) as running:
        running.warm_up()
        yield running


@dataclass
class Post:
    """The platform's mail and the services behind it; every name it makes is new."""

    aws: Aws
    platform: Platform

    def __post_init__(self) -> None:
        self.s3, self.ses, self.sns = (self.aws.client(name) for name in ("s3", "ses", "sns"))

    def rules(self, *rules: dict[str, Any]) -> str:
        """Make a set of these rules, in their order, the active one."""
        name = f"set-{next(_numbers)}"
        self.ses.create_receipt_rule_set(RuleSetName=name)
        for rule in reversed(rules):  # each is put before the others
            named = {"Name": f"rule-{next(_numbers)}", "Enabled": True, "ScanEnabled": True, **rule}
            self.ses.create_receipt_rule(RuleSetName=name, Rule=named)
        self.ses.set_active_receipt_rule_set(RuleSetName=name)
        return name

    def bucket(self) -> str:
        name = f"mail-{next(_numbers)}"
        self.s3.create_bucket(Bucket=name)
        return name

    def stored(self, bucket: str) -> dict[str, bytes]:
        found = self.s3.list_objects_v2(Bucket=bucket).get("Contents", [])
        return {one["Key"]: self.s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in found}

    def topic(self) -> tuple[str, Queue]:
        """A topic and the queue that gets what is published."""
        queue = self.aws.queue(f"told-{next(_numbers)}")
        arn = self.sns.create_topic(Name=f"topic-{next(_numbers)}")["TopicArn"]
        self.sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue.arn)
        return arn, queue

    def function(self, code: str = "") -> tuple[str, Queue]:
        """A function's ARN and the queue that is told of each asynchronous invocation's success."""
        name = self.platform.create(**({"code": zipped(app=code)} if code else {}))
        queue = self.aws.queue(f"done-{next(_numbers)}")
        success = {"OnSuccess": {"Destination": queue.arn}}
        self.platform.client.put_function_event_invoke_config(FunctionName=name, DestinationConfig=success)
        return LAMBDA + name, queue

    def client(self) -> smtplib.SMTP:
        place = self.platform.ask("GET", "mail")
        client = smtplib.SMTP(place["host"], place["port"], local_hostname="client.example.com", timeout=60)
        client.login(self.platform.ready["access_key_id"], self.platform.ready["secret_access_key"])
        return client

    def send(self, content: bytes = HELLO, *recipients: str) -> tuple[int, str]:
        """The reply to a message whose recipients are all taken."""
        with self.client() as client:
            assert client.mail(SENDER)[0] == 250
            for one in recipients or (JOE,):
                assert client.rcpt(one)[0] == 250
            code, text = client.data(content)
            return code, text.decode()

    def sent(self, content: bytes = HELLO, *recipients: str) -> str:
        """The id of a message that is taken."""
        code, text = self.send(content, *recipients)
        assert code == 250, text
        return text.split()[-1]


@pytest.fixture
def post(aws: Aws, platform: Platform) -> Post:
    return Post(aws, platform)


def subject(text: str) -> bytes:
    return f"Subject: {text}\r\nTo: joe@example.org\r\n\r\n".encode()


def told(queue: Queue) -> dict[str, Any]:
    """The one notification that a topic's queue got."""
    (body,) = eventually(queue.bodies)
    assert body["Subject"] == "Amazon SES Email Receipt Notification"
    message: dict[str, Any] = json.loads(body["Message"])
    assert message["notificationType"] == "Received"
    return message


def test_a_message_is_stored_and_its_event_invokes_a_function(post: Post) -> None:
    bucket, (function, done) = post.bucket(), post.function()
    post.rules(
        {
            "Recipients": ["example.org"],
            "Actions": [
                {"S3Action": {"BucketName": bucket, "ObjectKeyPrefix": "in/"}},
                {"LambdaAction": {"FunctionArn": function, "InvocationType": "Event"}},
            ],
        }
    )
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Jürgen <j@example.com>", "Joe <joe@example.org>", "Grüße ✓"
    mail["Date"], mail["Message-ID"] = "Mon, 05 Aug 2019 21:29:57 +0000", "<m1@example.com>"
    mail.set_content("Schöne Grüße")
    with post.client() as client:
        client.send_message(mail, from_addr="j@example.com")

    (record,) = eventually(done.bodies)
    event = SesModel.model_validate(record["requestPayload"]).Records[0].ses
    assert event.mail.source == "j@example.com"
    assert event.mail.commonHeaders.subject == "Grüße ✓"
    assert event.mail.commonHeaders.header_from == ["Jürgen <j@example.com>"]
    assert event.receipt.recipients == ["joe@example.org"]
    assert event.receipt.action.functionArn == function
    ((key, content),) = post.stored(bucket).items()
    assert key == f"in/{event.mail.messageId}"
    assert content.startswith(b"Return-Path: <j@example.com>\r\nReceived: from client.example.com")
    assert mail.as_bytes().replace(b"\n", b"\r\n").split(b"\r\n\r\n")[1] in content

    request = record["requestContext"]["requestId"]
    steps = post.platform.ask("GET", f"flow?id={event.mail.messageId}")["steps"]
    assert [(s["what"], s["function"], s["request"]) for s in steps[:2]] == [
        ("received", "", ""),
        ("accepted", function, request),
    ]
    assert ":receipt-rule-set/set-" in steps[0]["source"]


@pytest.mark.parametrize(
    ("disposition", "same", "next_one"),
    [
        ("CONTINUE", True, True),
        ("STOP_RULE", False, True),
        ("STOP_RULE_SET", False, False),
        ("nonsense", True, True),
        ("nothing", True, True),
    ],
)
def test_a_function_that_is_waited_for_says_how_the_rules_go_on(
    post: Post, disposition: str, same: bool, next_one: bool
) -> None:
    first, second, (function, _) = post.bucket(), post.bucket(), post.function(DISPOSES)
    post.rules(
        {
            "Actions": [
                {"LambdaAction": {"FunctionArn": function, "InvocationType": "RequestResponse"}},
                {"S3Action": {"BucketName": first}},
            ]
        },
        {"Actions": [{"S3Action": {"BucketName": second}}]},
    )
    identity = post.sent(subject(disposition))
    assert list(post.stored(first)) == [identity] * same
    assert list(post.stored(second)) == [identity] * next_one
    steps = post.platform.ask("GET", f"flow?id={identity}")["steps"]
    assert [s["what"] for s in steps] == ["received", "invoked", "answered"]
    assert steps[-1]["instance"]


def test_rules_go_by_recipient_and_who_none_takes_is_refused(post: Post) -> None:
    one, sub, off = post.bucket(), post.bucket(), post.bucket()
    topic, queue = post.topic()
    post.rules(
        {"Enabled": False, "Actions": [{"S3Action": {"BucketName": off}}]},
        {"Recipients": ["joe@example.org"], "Actions": [{"S3Action": {"BucketName": one, "TopicArn": topic}}]},
        {"Recipients": [".example.org"], "Actions": [{"S3Action": {"BucketName": sub}}]},
    )
    with post.client() as client:
        refused = client.sendmail(SENDER, ["joe+x@example.org", "a@b.example.org", "ann@example.org"], HELLO)
        assert refused == {"ann@example.org": (550, b"5.1.1 no receipt rule takes ann@example.org")}
        client.sendmail(SENDER, ["a@b.example.org"], subject("second"))
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.sendmail(SENDER, ["ann@example.org"], HELLO)
    assert (len(post.stored(one)), len(post.stored(sub)), len(post.stored(off))) == (1, 2, 0)
    message = told(queue)
    (key,) = post.stored(one)
    assert message["receipt"]["recipients"] == ["joe+x@example.org"]
    assert message["receipt"]["action"] == {
        "type": "S3",
        "topicArn": topic,
        "bucketName": one,
        "objectKeyPrefix": "",
        "objectKey": key,
    }
    assert message["mail"]["messageId"] == key
    assert "content" not in message


def test_without_an_active_rule_set_nobody_is_taken(post: Post) -> None:
    post.rules({"Actions": [STOP]})
    post.ses.set_active_receipt_rule_set()
    with post.client() as client, pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        client.sendmail(SENDER, [JOE], HELLO)
    assert b"no receipt rule set is active" in caught.value.recipients[JOE][1]


def test_a_bounce_is_the_reply_and_does_not_end_the_rules(post: Post) -> None:
    bucket, (topic, queue) = post.bucket(), post.topic()
    bounce = {
        "SmtpReplyCode": "552",
        "StatusCode": "5.2.2",
        "Message": "The mailbox\nis füll",
        "Sender": "postmaster@example.org",
        "TopicArn": topic,
    }
    post.rules({"Actions": [{"BounceAction": bounce}, {"S3Action": {"BucketName": bucket}}]})
    assert post.send() == (552, "5.2.2 The mailbox is f ll")
    assert len(post.stored(bucket)) == 1
    message = told(queue)
    assert message["receipt"]["action"] == {
        "type": "Bounce",
        "topicArn": topic,
        "smtpReplyCode": "552",
        "statusCode": "5.2.2",
        "message": "The mailbox\nis füll",
        "sender": "postmaster@example.org",
    }
    steps = post.platform.ask("GET", f"flow?id={message['mail']['messageId']}")["steps"]
    assert [s["what"] for s in steps] == ["received", "dropped"]


@pytest.mark.parametrize("encoding", ["UTF-8", "Base64"])
def test_a_topic_gets_the_whole_message_and_no_larger_one_than_aws_publishes(post: Post, encoding: str) -> None:
    topic, queue = post.topic()
    post.rules({"Actions": [{"SNSAction": {"TopicArn": topic, "Encoding": encoding}}]})
    content = "Subject: ü\r\n\r\nä".encode() + b"\xff\r\n"
    post.sent(content)
    message = told(queue)
    if encoding == "Base64":
        assert base64.b64decode(message["content"]).endswith(content)
    else:
        assert message["content"].endswith("Subject: ü\r\n\r\nä\ufffd\r\n")
    assert message["receipt"]["action"] == {
        "type": "SNS",
        "topicArn": topic,
        "encoding": "UTF8" if encoding == "UTF-8" else "BASE64",
    }
    assert post.send(HELLO + b"x" * 70 + (b"\r\n" + b"y" * 70) * 2200)[0] == 552
    post.sent(HELLO + (b"\r\n" + b"y" * 70) * 2000)


def test_a_header_is_added_for_what_follows_and_a_stop_ends_the_rule_set(post: Post) -> None:
    first, second, third, (topic, queue) = post.bucket(), post.bucket(), post.bucket(), post.topic()
    post.rules(
        {
            "Actions": [
                {"S3Action": {"BucketName": first}},
                {"AddHeaderAction": {"HeaderName": "X-Checked", "HeaderValue": "by rule"}},
            ]
        },
        {"Actions": [{"S3Action": {"BucketName": second}}, {"StopAction": {"Scope": "RuleSet", "TopicArn": topic}}]},
        {"Actions": [{"S3Action": {"BucketName": third}}]},
    )
    identity = post.sent()
    before, after = post.stored(first)[identity], post.stored(second)[identity]
    assert after == b"X-Checked: by rule\r\n" + before
    assert post.stored(third) == {}
    message = told(queue)
    assert message["receipt"]["action"] == {"type": "Stop", "topicArn": topic}
    assert message["mail"]["headers"][0] == {"name": "X-Checked", "value": "by rule"}


def test_trouble_is_temporary_and_the_next_try_is_taken(post: Post) -> None:
    bucket, (function, _) = post.bucket(), post.function(DISPOSES)
    post.rules(
        {
            "Actions": [
                {"S3Action": {"BucketName": bucket}},
                {"LambdaAction": {"FunctionArn": function, "InvocationType": "RequestResponse"}},
            ]
        }
    )
    post.s3.delete_bucket(Bucket=bucket)
    code, text = post.send()
    assert code == 451
    assert "NoSuchBucket" in text
    post.s3.create_bucket(Bucket=bucket)
    post.sent()
    code, text = post.send(subject("fail"))
    assert code == 451
    assert f"{function} failed (Unhandled)" in text
    post.platform.delete(function.rpartition(":")[2])
    code, text = post.send()
    assert code == 451
    assert "Function not found" in text


def test_what_the_platform_cannot_do_is_refused_and_never_left_out(post: Post) -> None:
    bucket = post.bucket()
    work = {"OrganizationArn": "arn:aws:workmail:us-east-1:123456789012:organization/m-1"}
    post.rules({"Actions": [{"WorkmailAction": work}]})
    assert post.send()[0] == 554
    header = {"HeaderName": "X-Bad: name", "HeaderValue": "v"}
    post.rules({"Actions": [{"AddHeaderAction": header}, {"S3Action": {"BucketName": bucket}}]})
    assert post.send()[0] == 554
    assert post.stored(bucket) == {}


def test_a_message_of_39_mb_is_stored_and_one_of_more_than_40_is_refused(post: Post) -> None:
    bucket = post.bucket()
    post.rules({"Actions": [{"S3Action": {"BucketName": bucket}}]})
    line = b"x" * 990 + b"\r\n"
    large = HELLO + line * (39 * 2**20 // len(line))
    identity = post.sent(large)
    assert post.stored(bucket)[identity].endswith(large)
    larger = large + line * (2 * 2**20 // len(line))
    assert post.send(larger)[0] == 552
    with post.client() as client, pytest.raises(smtplib.SMTPSenderRefused) as caught:
        client.sendmail(SENDER, [JOE], larger)  # which says the size ahead
    assert caught.value.smtp_code == 552
    assert len(post.stored(bucket)) == 1


def test_a_message_has_at_most_100_recipients(post: Post) -> None:
    (function, done), many = post.function(), [f"user{n}@example.org" for n in range(100)]
    post.rules({"Actions": [{"LambdaAction": {"FunctionArn": function}}]})
    with post.client() as client:
        refused = client.sendmail(SENDER, [*many, "late@example.org"], HELLO)
        assert {who: code for who, (code, _) in refused.items()} == {"late@example.org": 452}
    (record,) = eventually(done.bodies)
    assert record["requestPayload"]["Records"][0]["ses"]["receipt"]["recipients"] == many


def test_malformed_messages_are_taken_and_told(post: Post) -> None:
    function, done = post.function()
    post.rules({"Actions": [{"LambdaAction": {"FunctionArn": function}}]})
    contents = [b"", b"no header\r\n", b"Subject: \xff\r\n\x00\r\n\r\n", b": x\r\n\r\n", b"To: <<>,\r\nX" * 50]
    ids = {post.sent(content) for content in contents}
    records = eventually(lambda: done.bodies() if len(done.messages) == len(ids) else done.receive() and None)
    assert {r["requestPayload"]["Records"][0]["ses"]["mail"]["messageId"] for r in records} == ids


def test_a_message_that_was_taken_invokes_though_the_platform_is_killed(aws: Aws, tmp_path: Path) -> None:
    with Platform("--state", str(tmp_path), "--aws-endpoint", aws.endpoint) as first:
        post = Post(aws, first)
        function, done = post.function("import time\ndef handler(event, context): time.sleep(1)")
        post.rules({"Actions": [{"LambdaAction": {"FunctionArn": function}}]})
        ids = [post.sent() for _ in range(5)]
        first.stop(signal.SIGKILL)
    with Platform("--state", str(tmp_path), "--aws-endpoint", aws.endpoint):
        eventually(lambda: len({told_id(body) for body in done.bodies()}) == len(ids))
        assert {told_id(body) for body in done.bodies()} == set(ids)


def told_id(record: dict[str, Any]) -> str:
    identity: str = record["requestPayload"]["Records"][0]["ses"]["mail"]["messageId"]
    return identity
