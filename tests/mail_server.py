"""Run a real mail server on the loopback, with the moods that mail servers have."""

import asyncio
import email
import socket
import ssl
import threading
import warnings
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


class MailServer:
    """Take mails; ``accepted`` holds those that the client was told about with 250.

    ``recipient`` says what RCPT is answered with, by the address; ``data`` what DATA is, where
    ``drop`` loses the connection instead; while ``held`` is set, DATA waits.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        users: dict[str, str] | None = None,
        port: int = 0,
        implicit: bool = False,
    ) -> None:
        """Listen on a free port, or on one that was used before."""
        self.accepted: list[EmailMessage] = []
        self.commands: list[str] = []
        self.recipient: Callable[[str], str] = lambda _: "250 OK"
        self.data = "250 OK"
        self.held = threading.Event()
        self.waiting = threading.Event()
        self._users = users or {}
        self._options: dict[str, Any] = {"enable_SMTPUTF8": True, "hostname": "mail.test"}
        if tls and not implicit:
            self._options |= {"tls_context": tls, "require_starttls": True}
        if users:
            # The one without TLS is for the loopback.
            needs_tls = tls is not None and not implicit
            self._options |= {"authenticator": self._authenticate, "auth_required": True}
            self._options |= {"auth_require_tls": needs_tls}
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]
        self._tls = tls if implicit else None
        self._started, self._stopped = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(),))
        self._thread.start()
        self._started.wait()

    def close(self) -> None:
        self.held.clear()
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = await self._loop.create_server(self._protocol, sock=self._listener, ssl=self._tls)
        self._started.set()
        await self._stopped.wait()
        server.close()

    def _protocol(self) -> SMTP:
        with warnings.catch_warnings():
            # It warns of passwords without STARTTLS, which are what some tests are about.
            warnings.simplefilter("ignore")
            return SMTP(self, loop=self._loop, **self._options)

    def _authenticate(
        self, _server: object, _session: object, _envelope: object, _way: str, given: LoginPassword
    ) -> AuthResult:
        user, password = given.login.decode(), given.password.decode()
        return AuthResult(success=self._users.get(user) == password, handled=False)

    async def handle_EHLO(  # noqa: N802 - as aiosmtpd calls it.
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, answers: Any
    ) -> Any:
        session.host_name = hostname
        self.commands.append("EHLO")
        return answers

    async def handle_RCPT(  # noqa: N802 - as aiosmtpd calls it.
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        answer = self.recipient(address)
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(  # noqa: N802 - as aiosmtpd calls it.
        self, server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        self.waiting.set()
        while self.held.is_set():  # noqa: ASYNC110 - another thread lets go.
            await asyncio.sleep(0.01)
        if self.data == "drop":
            server.transport.abort()
            return "451 gone"
        if self.data.startswith("2"):
            content = envelope.content
            assert isinstance(content, bytes)
            self.accepted.append(email.message_from_bytes(content, EmailMessage, policy=WIRE))
        return self.data
