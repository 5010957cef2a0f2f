"""What SES tells of a message, for well-made messages and for whatever else arrives."""

from __future__ import annotations

import json
from email.message import EmailMessage
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import SesModel
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.events.mail import telling
from workbench.events.mail.message import HEADERS_KEPT, Message, receive

AT = 1565040602.028
LAMBDA = {
    "type": "Lambda",
    "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:f",
    "invocationType": "Event",
}


def received(content: bytes, source: str = "jane@example.com", to: tuple[str, ...] = ("joe@example.org",)) -> Message:
    return receive(source, to, "client.example.com", "127.0.0.1", content, AT)


def event(message: Message, *, scan: bool = True) -> dict[str, Any]:
    told = telling.receipt(message, message.recipients, LAMBDA, scan=scan, now_s=AT + 0.25)
    found: dict[str, Any] = json.loads(telling.event(message, told))
    return found


def common(content: bytes) -> dict[str, Any]:
    found: dict[str, Any] = received(content).told()["commonHeaders"]
    return found


def test_the_event_is_what_aws_documents() -> None:
    content = (
        b'From: "Doe, Jane" <jane@example.com>\r\nTo: Joe <joe@example.org>, <ann@example.org>\r\n'
        b"Cc: sue@example.org\r\nReply-To: desk@example.com\r\nSubject: One line\r\n  and its fold\r\n"
        b"Date: Mon, 5 Aug 2019 21:29:57 +0000\r\nMessage-ID: <m1@example.com>\r\nX-Empty:\r\n\r\nHello.\r\n"
    )
    message = received(content)
    found = event(message)
    SesModel.model_validate(found)
    record = found["Records"][0]
    assert (record["eventSource"], record["eventVersion"]) == ("aws:ses", "1.0")
    mail, receipt = record["ses"]["mail"], record["ses"]["receipt"]
    trace = (
        "from client.example.com (client.example.com [127.0.0.1]) by workbench with SMTP id "
        f"{message.id} for joe@example.org; Mon, 05 Aug 2019 21:30:02 +0000 (UTC)"
    )
    assert mail == {
        "timestamp": "2019-08-05T21:30:02.028Z",
        "source": "jane@example.com",
        "messageId": message.id,
        "destination": ["joe@example.org", "ann@example.org", "sue@example.org"],
        "headersTruncated": False,
        "headers": [
            {"name": "Return-Path", "value": "<jane@example.com>"},
            {"name": "Received", "value": trace},
            {"name": "From", "value": '"Doe, Jane" <jane@example.com>'},
            {"name": "To", "value": "Joe <joe@example.org>, <ann@example.org>"},
            {"name": "Cc", "value": "sue@example.org"},
            {"name": "Reply-To", "value": "desk@example.com"},
            {"name": "Subject", "value": "One line and its fold"},
            {"name": "Date", "value": "Mon, 5 Aug 2019 21:29:57 +0000"},
            {"name": "Message-ID", "value": "<m1@example.com>"},
            {"name": "X-Empty", "value": ""},
        ],
        "commonHeaders": {
            "returnPath": "jane@example.com",
            "from": ['"Doe, Jane" <jane@example.com>'],
            "to": ["Joe <joe@example.org>", "ann@example.org"],
            "cc": ["sue@example.org"],
            "replyTo": ["desk@example.com"],
            "date": "Mon, 5 Aug 2019 21:29:57 +0000",
            "messageId": "<m1@example.com>",
            "subject": "One line and its fold",
        },
    }
    assert receipt == {
        "timestamp": "2019-08-05T21:30:02.278Z",
        "processingTimeMillis": 250,
        "recipients": ["joe@example.org"],
        "spamVerdict": {"status": "GRAY"},
        "virusVerdict": {"status": "GRAY"},
        "spfVerdict": {"status": "GRAY"},
        "dkimVerdict": {"status": "GRAY"},
        "dmarcVerdict": {"status": "GRAY"},
        "action": LAMBDA,
    }


def test_an_id_has_the_form_of_ses_and_is_each_message_s_own() -> None:
    ids = {received(b"").id for _ in range(100)}
    assert len(ids) == 100
    assert all(len(one) == 40 and set(one) <= set("0123456789abcdefghijklmnopqrstuv") for one in ids)


@pytest.mark.parametrize("scan", [True, False])
def test_no_verdict_is_made_up(scan: bool) -> None:
    receipt = event(received(b"DKIM-Signature: v=1; a=rsa-sha256\r\n\r\n"), scan=scan)["Records"][0]["ses"]["receipt"]
    assert receipt["spamVerdict"] == receipt["virusVerdict"] == {"status": "GRAY" if scan else "DISABLED"}
    assert receipt["dkimVerdict"] == {"status": "PROCESSING_FAILED"}  # signed, and nobody looked


def test_headers_beyond_10_kb_are_truncated_and_the_common_ones_still_told() -> None:
    lines = "".join(f"X-Filler-{n}: {'x' * 200}\r\n" for n in range(100))
    told = received(f"{lines}Subject: still here\r\n\r\nbody".encode()).told()
    assert told["headersTruncated"] is True
    size = sum(len(h["name"]) + len(h["value"]) + 4 for h in told["headers"])
    assert HEADERS_KEPT - 300 < size <= HEADERS_KEPT
    assert told["commonHeaders"]["subject"] == "still here"


def test_words_beyond_ascii_are_decoded_in_common_headers_and_left_in_the_list() -> None:
    mail = EmailMessage()
    mail["Subject"] = "Grüße ✓ 你好"
    mail["From"] = "Jürgen Groß <j@example.com>"
    told = received(mail.as_bytes()).told()
    assert told["commonHeaders"]["subject"] == "Grüße ✓ 你好"
    assert told["commonHeaders"]["from"] == ["Jürgen Groß <j@example.com>"]
    assert {"name": "Subject", "value": mail.as_bytes().split(b"\n")[0].decode().removeprefix("Subject: ")} in told[
        "headers"
    ]
    raw = received("Subject: naïve déficit\r\n\r\n".encode()).told()  # as some senders do, without encoding
    assert raw["commonHeaders"]["subject"] == "naïve déficit"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", {"returnPath": "jane@example.com"}),
        (b"no header at all", {"returnPath": "jane@example.com"}),
        (b"\r\nSubject: in the body", {"returnPath": "jane@example.com"}),
        (b"Subject: a\nno colon\nTo: b@x.org\n\n", {"returnPath": "jane@example.com", "subject": "a"}),
        (b"Subject: \xff\xfe\r\n\r\n", {"returnPath": "jane@example.com", "subject": "\ufffd\ufffd"}),
        (b"Subject: =?no-such-charset?B?AAAA?=\r\n\r\n", {"subject": "=?no-such-charset?B?AAAA?="}),
        (b"Subject: one\r\nSubject: two\r\n\r\n", {"subject": "one"}),
        (b"To: undisclosed-recipients:;\r\n\r\n", {"to": []}),
    ],
)
def test_malformed_messages_are_told_as_far_as_they_go(content: bytes, expected: dict[str, Any]) -> None:
    found = common(content)
    assert {key: found.get(key) for key in expected} == expected


def test_a_failed_delivery_s_notification_has_an_empty_source() -> None:
    told = received(b"Subject: Undeliverable\r\n\r\n", source="").told()
    assert (told["source"], told["commonHeaders"]["returnPath"]) == ("", "")
    assert told["headers"][0] == {"name": "Return-Path", "value": "<>"}


def test_an_added_header_cannot_bring_another() -> None:
    message = received(b"Subject: a\r\n\r\nbody").with_header("X-Added", "one\r\nX-Smuggled: two")
    assert message.headers()[0] == ("X-Added", "one X-Smuggled: two")


_HEADERISH = st.lists(
    st.sampled_from(["Subject", "From", "To", "Cc", "Date", "Sender", "Reply-To", "X"]).flatmap(
        lambda name: st.binary(max_size=60).map(lambda value: name.encode() + b": " + value + b"\r\n")
    ),
    max_size=6,
).map(b"".join)
_WORDS = st.sampled_from([b"utf-8", b"utf-7", b"utf-16", b"latin-1", b"x", b""]).flatmap(
    lambda name: st.binary(max_size=20).map(lambda text: b"Subject: =?" + name + b"?Q?" + text + b"?=\r\nTo: <")
)


@given(st.one_of(st.binary(max_size=300), _HEADERISH, _WORDS))
@settings(deadline=None, max_examples=300)
def test_whatever_arrives_gives_an_event_that_is_json_and_kept_as_it_was_sent(content: bytes) -> None:
    message = received(content)
    mail = event(message)["Records"][0]["ses"]["mail"]
    json.dumps(mail, ensure_ascii=False).encode()  # no half characters
    assert mail["headers"][0]["name"] == "Return-Path"
    assert message.content.endswith(content)
