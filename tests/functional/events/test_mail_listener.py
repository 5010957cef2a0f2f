"""The SMTP listener by itself, over real sockets: who gets in, and what becomes of a message whose sender leaves."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import smtplib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.events.mail import listener as module
from workbench.events.mail.listener import Listener
from workbench.events.mail.message import Message
from workbench.events.mail.rules import Rule, RuleSet

KEY, SECRET = "AKIAEXAMPLE", "s3cret/with+signs"
ALL = RuleSet("all", (Rule("all"),))


@dataclass
class Server:
    """A listener in this process, with what was delivered to it."""

    rules: RuleSet = ALL
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    delivered: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.listener = Listener(lambda key, secret: (key, secret) == (KEY, SECRET), self.read, self.deliver)
        self.gate.set()
        self.port = 0

    async def read(self) -> RuleSet:
        return self.rules

    async def deliver(self, rules: RuleSet, message: Message) -> str:
        self.begun.set()
        await self.gate.wait()
        self.delivered.append(message)
        return f"250 2.0.0 OK {message.id}"

    def client(self, *, login: bool = True) -> smtplib.SMTP:
        client = smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.example.com", timeout=20)
        if login:
            client.login(KEY, SECRET)
        return client


def served(test: Callable[[Server], Awaitable[None]]) -> None:
    async def serve() -> None:
        server = Server()
        server.port = await server.listener.listen("127.0.0.1")
        try:
            await asyncio.wait_for(test(server), 60)
        finally:
            await server.listener.close()

    asyncio.run(serve())


def test_nothing_is_taken_before_the_login_or_with_a_wrong_one() -> None:
    def talk(server: Server) -> None:
        with server.client(login=False) as client:
            client.ehlo()
            assert client.mail("a@x.org") == (530, b"5.7.0 log in with the platform's access key and its secret first")
            assert client.rcpt("b@x.org")[0] == 503
            assert client.docmd("DATA")[0] == 503
            for key, secret in [(KEY, "wrong"), ("", ""), (KEY, "")]:
                with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
                    client.login(key, secret)
                assert caught.value.smtp_code == 535
            assert client.docmd("AUTH", "PLAIN " + base64.b64encode(b"\0\xc3\x84\0\xff").decode())[0] == 535
            assert client.mail("a@x.org")[0] == 530
            client.user, client.password = KEY, SECRET
            assert client.auth("LOGIN", client.auth_login)[0] == 235
            assert client.sendmail("a@x.org", ["b@x.org"], "Subject: in\r\n\r\n") == {}
        assert [m.recipients for m in server.delivered] == [("b@x.org",)]

    served(lambda server: asyncio.to_thread(talk, server))


def test_a_message_keeps_its_bytes_and_its_envelope() -> None:
    content = b"Subject: x\r\n\r\n.dot\r\n..two\r\n\x00\xff\xfe 8 bit\r\n" + b"y" * 990 + b"\r\n"

    def talk(server: Server) -> None:
        with server.client() as client:
            client.sendmail("a@x.org", ["b@x.org", "c@x.org", "b@x.org"], content)
            client.sendmail("", ["d@x.org"], b"Subject: bounce\r\n\r\n")
            client.sendmail("A.B+c@x.org", ['"odd name"@x.org'], b"")
        first, second, third = server.delivered
        assert first.content.endswith(content)
        assert first.recipients == ("b@x.org", "c@x.org")
        assert (second.source, second.recipients) == ("", ("d@x.org",))
        assert (third.source, third.recipients) == ("A.B+c@x.org", ('"odd name"@x.org',))

    served(lambda server: asyncio.to_thread(talk, server))


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"MAIL", b"501"),
        (b"MAIL FROM:<a@x.org> SIZE=99999999999", b"552"),
        (b"MAIL FROM:<a@x.org> SIZE=" + b"9" * 600, b"500"),
        (b"MAIL FROM:<a@x.org> NOSUCH=1", b"555"),
        (b"MAIL FROM:<", b"553"),
        (b"MAIL FROM:a@", b"553"),
        (b"RCPT TO:<b@x.org>", b"503"),
        (b"DATA", b"503"),
        (b"\xff\xfe", b"500"),
        (b"EHLO " + b"x" * 100_000, b"500"),
        (b"NOSUCH", b"500"),
        (b"AUTH PLAIN !!!", b"50"),
        (b"STARTTLS", b"454"),
        (b"VRFY a@x.org", b"252"),
        (b"", b"500"),
    ],
)
def test_what_is_no_smtp_gets_an_error_and_the_connection_goes_on(sent: bytes, code: bytes) -> None:
    def talk(server: Server) -> None:
        with server.client() as client:
            assert client.sock is not None
            client.sock.sendall(sent + b"\r\n")
            answer, text = client.getreply()
            assert str(answer).encode().startswith(code), (answer, text)
            client.rset()
            assert client.sendmail("a@x.org", ["b@x.org"], "Subject: after\r\n\r\n") == {}

    served(lambda server: asyncio.to_thread(talk, server))


_LINE = st.one_of(
    st.binary(max_size=80),
    st.tuples(
        st.sampled_from(
            [b"EHLO ", b"HELO ", b"MAIL FROM:", b"RCPT TO:<", b"DATA", b".", b"RSET", b"AUTH PLAIN ", b"AUTH LOGIN"]
        ),
        st.one_of(st.binary(max_size=40), st.sampled_from([b"", b"a@x.org>", b"<a@x.org>", b"x", b"\xff"])),
    ).map(b"".join),
)


@given(st.lists(_LINE, max_size=12), st.booleans())
@settings(deadline=None, max_examples=40)
def test_whatever_is_said_the_connection_ends_in_order_and_the_next_one_is_served(
    lines: list[bytes], login: bool
) -> None:
    def talk(server: Server) -> None:
        client = server.client(login=login)
        assert client.sock is not None
        client.sock.sendall(b"\r\n".join([*lines, b"\r\n.", b"*", b"QUIT", b""]))
        client.sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):  # it may have had enough before the last line
            while client.sock.recv(4096):
                pass
        client.close()
        with server.client() as other:
            assert other.sendmail("a@x.org", ["b@x.org"], "Subject: after\r\n\r\n") == {}

    async def test(server: Server) -> None:
        await asyncio.to_thread(talk, server)
        while server.listener.connections:
            await asyncio.sleep(0.001)
        assert login or len(server.delivered) == 1

    served(test)


def test_a_new_connection_does_not_change_what_another_may_send() -> None:
    long = "a@" + ".".join(["d" * 60] * 8) + ".org"  # beyond 512 octets with the parameters that ESMTP adds

    def talk(server: Server) -> None:
        with server.client() as first, server.client(login=False):
            assert first.mail(long, ["BODY=8BITMIME", "SIZE=100"])[0] == 250

    served(lambda server: asyncio.to_thread(talk, server))


def test_rules_that_cannot_be_read_are_a_temporary_error() -> None:
    def talk(server: Server) -> None:
        with server.client() as client:
            with pytest.raises(smtplib.SMTPSenderRefused) as caught:
                client.sendmail("a@x.org", ["b@x.org"], "x")
            assert caught.value.smtp_code == 451
            assert b"SES is away" in caught.value.smtp_error

    async def away() -> RuleSet:
        raise OSError("SES is away")

    async def test(server: Server) -> None:
        server.listener.rules = away
        await asyncio.to_thread(talk, server)

    served(test)


def test_a_message_is_delivered_though_its_sender_leaves_meanwhile() -> None:
    def send(server: Server) -> None:
        client = server.client()
        client.mail("a@x.org")
        client.rcpt("b@x.org")
        client.docmd("DATA")
        client.send(b"Subject: parting\r\n\r\n.\r\n")
        assert client.sock is not None
        client.sock.shutdown(socket.SHUT_RDWR)
        client.close()

    async def test(server: Server) -> None:
        server.gate.clear()
        sending = asyncio.ensure_future(asyncio.to_thread(send, server))
        await server.begun.wait()
        await sending
        while server.listener.connections:
            await asyncio.sleep(0.01)
        server.gate.set()
        while not server.delivered:
            await asyncio.sleep(0.01)

    served(test)


def test_one_connection_too_many_is_told_so_and_there_is_room_again_when_one_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 2)

    async def test(server: Server) -> None:
        first, second = [await asyncio.to_thread(server.client) for _ in range(2)]
        with pytest.raises(smtplib.SMTPConnectError) as caught:
            await asyncio.to_thread(server.client)
        assert caught.value.smtp_code == 421
        await asyncio.to_thread(first.quit)
        while len(server.listener.connections) > 1:
            await asyncio.sleep(0.01)
        third = await asyncio.to_thread(server.client)
        for client in (second, third):
            await asyncio.to_thread(client.quit)

    served(test)


def test_who_does_not_log_in_is_cut_off_and_who_does_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOGIN_S", 0.2)

    def wait_for_the_end(stranger: smtplib.SMTP) -> None:
        assert stranger.sock is not None
        with pytest.raises((ConnectionError, smtplib.SMTPServerDisconnected)):
            stranger.getreply()

    async def test(server: Server) -> None:
        friend = await asyncio.to_thread(server.client)
        stranger = await asyncio.to_thread(server.client, login=False)
        await asyncio.to_thread(wait_for_the_end, stranger)
        assert (await asyncio.to_thread(friend.noop))[0] == 250

    served(test)


def test_a_listener_that_stops_takes_no_new_message_and_closes() -> None:
    async def test(server: Server) -> None:
        client = await asyncio.to_thread(server.client)
        server.listener.stop_listening()
        assert (await asyncio.to_thread(client.mail, "a@x.org"))[0] == 421
        with pytest.raises(ConnectionRefusedError):
            await asyncio.to_thread(server.client)
        await server.listener.close()
        with pytest.raises((ConnectionError, smtplib.SMTPServerDisconnected)):
            await asyncio.to_thread(client.noop)

    served(test)
