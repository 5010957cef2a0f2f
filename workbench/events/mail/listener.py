"""The SMTP listener: who may send, to whom, how much at a time.

It listens on loopback, where every user of the machine reaches it. So a sender logs in with the platform's access key
and its secret before the first MAIL; there is no TLS, because nothing leaves the machine. Connections are bounded, and
so are those that send a message at the same time, and the time until the login. aiosmtpd is imported here alone.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from workbench.events.mail.message import Message, receive
from workbench.events.mail.replies import reply
from workbench.events.mail.rules import RuleSet

MAX_MESSAGE = 40 * 1024 * 1024
"""Bytes, headers included: what SES stores in a bucket ("Service quotas in Amazon SES", email receiving)."""

MAX_RECIPIENTS = 100
"""Of one message; what RFC 5321, 4.5.3.1.8, has every receiver take."""

MAX_CONNECTIONS = 100
_SENDING_AT_ONCE = 8  # each may hold a few times MAX_MESSAGE in memory
_LOGIN_S = 30.0
_IDLE_S = 300.0  # RFC 5321, 4.5.3.2.7
_COMMAND = 512

_LOG = logging.getLogger("mail.log")  # aiosmtpd's own
_AGAIN = "4.3.0"


class Listener:
    """Takes connections; `login` knows who may send, `rules` the rules in force, `deliver` gives a message's reply."""

    def __init__(
        self,
        login: Callable[[str, str], bool],
        rules: Callable[[], Awaitable[RuleSet]],
        deliver: Callable[[RuleSet, Message], Awaitable[str]],
    ) -> None:
        self.login = login
        self.rules = rules
        self.deliver = deliver
        self.sending = asyncio.Semaphore(_SENDING_AT_ONCE)
        self.connections: set[_Connection] = set()
        self.stopping = False
        self._server: asyncio.Server | None = None
        self._deliveries: set[asyncio.Task[str]] = set()
        _LOG.setLevel(logging.CRITICAL)  # it would note every connection, and warn of a property that it sets itself

    async def listen(self, host: str, port: int = 0) -> int:
        """Begin; returns the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, host, port)
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    def stop_listening(self) -> None:
        """Take no new connection and no new message; what is being delivered goes on."""
        self.stopping = True
        if self._server is not None:
            self._server.close()

    async def close(self) -> None:
        """End everything; the senders of what is not delivered see their connection end, and have it still."""
        self.stop_listening()
        for connection in list(self.connections):
            connection.cut()
        deliveries = list(self._deliveries)
        for delivery in deliveries:
            delivery.cancel()
        await asyncio.gather(*deliveries, return_exceptions=True)

    async def see_through(self, rules: RuleSet, message: Message) -> str:
        """Deliver a message, to the end also when its sender leaves meanwhile."""
        delivery = asyncio.ensure_future(self.deliver(rules, message))
        self._deliveries.add(delivery)
        delivery.add_done_callback(self._deliveries.discard)
        return await asyncio.shield(delivery)

    def _protocol(self) -> asyncio.Protocol:
        if len(self.connections) >= MAX_CONNECTIONS:
            return _Busy()
        return _Connection(self)


class _Busy(asyncio.Protocol):
    """One connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(f"{reply(421, '4.3.2', 'too many connections; try again later')}\r\n".encode())
        transport.close()


class _Connection(SMTP):
    """One connection."""

    def __init__(self, listener: Listener) -> None:
        self.command_size_limits = defaultdict(lambda: _COMMAND)  # aiosmtpd's is shared by all connections
        self._listener = listener
        self._login_timer: asyncio.TimerHandle | None = None
        self.rules = RuleSet("", ())
        super().__init__(
            _Hooks(listener),
            data_size_limit=MAX_MESSAGE,
            hostname="workbench",
            ident="Deployment Workbench",
            timeout=_IDLE_S,
            auth_require_tls=False,
            authenticator=self._check,
            loop=asyncio.get_running_loop(),
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._listener.connections.add(self)
        super().connection_made(transport)
        self._login_timer = self.loop.call_later(_LOGIN_S, self._login_is_due)

    def connection_lost(self, error: Exception | None) -> None:
        self._listener.connections.discard(self)
        if self._login_timer is not None:
            self._login_timer.cancel()
        super().connection_lost(error)

    def cut(self) -> None:
        """End the connection now."""
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()

    async def smtp_DATA(self, arg: str) -> None:
        """DATA, when there is room for one more message."""
        async with self._listener.sending:
            await super().smtp_DATA(arg)

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        try:
            return super()._getaddr(arg)
        except IndexError:  # the standard library's parser, at the end of half an address
            return None, None  # malformed, for aiosmtpd

    def _login_is_due(self) -> None:
        if self.session is not None and not self.session.authenticated:
            self.cut()

    def _check(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any) -> AuthResult:
        if not isinstance(given, LoginPassword):
            return AuthResult(success=False, handled=False)
        name, secret = (part.decode("utf-8", "replace") for part in given)
        return AuthResult(success=self._listener.login(name, secret), handled=False)


class _Hooks:
    """What aiosmtpd asks at each step of a message."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    async def handle_MAIL(
        self, server: _Connection, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Who may send, and by which rules this message will go."""
        if not session.authenticated:
            return reply(530, "5.7.0", "log in with the platform's access key and its secret first")
        if self._listener.stopping:
            return reply(421, "4.3.2", "the platform is stopping; try again later")
        try:
            server.rules = await self._listener.rules()
        except Exception as error:  # the services that keep the rules are away, or answer nonsense
            print(f"mail cannot be taken: the receipt rules cannot be read: {error}", file=sys.stderr, flush=True)
            return reply(451, _AGAIN, f"the receipt rules cannot be read: {error}")
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return reply(250, "2.1.0", "OK")

    async def handle_RCPT(
        self, server: _Connection, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Whether a rule takes this recipient."""
        if not server.rules.name:
            return reply(550, "5.1.1", "no receipt rule set is active; SES's SetActiveReceiptRuleSet makes one so")
        if not server.rules.takes(address):
            return reply(550, "5.1.1", f"no receipt rule takes {address}")
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return reply(452, "4.5.3", f"a message has at most {MAX_RECIPIENTS} recipients")
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return reply(250, "2.1.5", "OK")

    async def handle_DATA(self, server: _Connection, session: Session, envelope: Envelope) -> str:
        """The message itself."""
        assert isinstance(envelope.original_content, bytes)
        source = "" if envelope.mail_from in (None, "<>") else str(envelope.mail_from)
        peer = str(session.peer[0]) if session.peer else ""
        recipients = list(dict.fromkeys(envelope.rcpt_tos))
        helo = session.host_name or ""
        message = receive(source, recipients, helo, peer, envelope.original_content, time.time())
        return await self._listener.see_through(server.rules, message)

    async def handle_exception(self, error: Exception) -> str:
        """What is wrong here is not the sender's fault."""
        print(f"mail: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return reply(451, _AGAIN, "something went wrong here; try again later")
