"""Hand mails over: to a mail server, or as files where there is none.

Source: RFC 5321 (SMTP), sections 4.2 and 4.5.3.2.  A mail is handed over when this returns, at
most once more when the process dies between the server's word and the caller's note of it.
"""

import os
import smtplib
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Protocol, Self

from chassis.errors import EventRefused, Unavailable

from .letters import Event
from .smtp_url import SMTPAddress

# Greylisting (RFC 6647) lets nobody in who comes back sooner.
ANOTHER_TRY_SECONDS = 60.0


class Post(Protocol):
    """Take mails to where they are read."""

    def send(self, event: Event, message: EmailMessage) -> None:
        """Hand the mail about an event over.

        Raises:
            Unavailable: it can't be done now.
            EventRefused: nobody will ever take this mail.
        """
        ...


class FilePost:
    """Keep each mail as a file, for its owner alone; the same event gives the same file."""

    def __init__(self, folder: Path) -> None:
        """Make the folder when the first mail comes."""
        self._folder = folder

    def send(self, event: Event, message: EmailMessage) -> None:
        """Write the file as a whole or not at all."""
        path = self._folder / f"{event.occurred_at:%Y%m%dT%H%M%SZ}-{event.key}.eml"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_whole(path, message.as_bytes())
        except OSError as error:
            raise Unavailable(f"The mail can't be written: {error.strerror}.") from error


def _write_whole(path: Path, content: bytes) -> None:
    draft = path.with_suffix(".tmp")
    with open(draft, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class SMTPPost:
    """Send each mail in a session of its own, so that nothing is left half-way for the next."""

    def __init__(self, address: SMTPAddress, seconds: float) -> None:
        """Connect to nothing yet; a whole session may take ``seconds``."""
        self._address = address
        self._seconds = seconds

    def send(self, event: Event, message: EmailMessage) -> None:
        """Return once the server has said that it has the mail."""
        with _errors_told_apart(), _Session(self._address, self._seconds) as session:
            session.hand_over(message)


class _Session:
    """Speak with the server, and have it done by a certain time."""

    def __init__(self, address: SMTPAddress, seconds: float) -> None:
        self._ends = time.monotonic() + seconds
        self._address = address
        # It verifies who answers.
        self._context = ssl.create_default_context()
        # Not the name that a slow resolver would have to be asked for.
        options: Any = {"local_hostname": socket.gethostname(), "timeout": self._left()}
        if address.tls:
            options["context"] = self._context
        kind = smtplib.SMTP_SSL if address.tls else smtplib.SMTP
        self._server = kind(address.host, address.port, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Without QUIT, whose answer nothing depends on.
        self._server.close()

    def hand_over(self, message: EmailMessage) -> None:
        """Sign in and send."""
        address, server = self._address, self._server
        self._step(server.ehlo_or_helo_if_needed)
        if address.starttls:
            self._step(server.starttls, context=self._context)
            self._step(server.ehlo_or_helo_if_needed)
        if address.user:
            self._step(server.login, address.user, address.password)
        self._transact(message)

    def _transact(self, message: EmailMessage) -> None:
        sender = message["From"].addresses[0].addr_spec
        recipient = message["To"].addresses[0].addr_spec
        options = []
        if not recipient.isascii():
            if not self._server.has_extn("smtputf8"):
                raise EventRefused("The mail server takes ASCII addresses only.")
            options = ["SMTPUTF8", "BODY=8BITMIME"]
            self._server.command_encoding = "utf-8"
        code, said = self._step(self._server.mail, sender, options)
        if code != 250:
            raise smtplib.SMTPSenderRefused(code, said, sender)
        code, said = self._step(self._server.rcpt, recipient)
        if code not in {250, 251}:
            raise smtplib.SMTPRecipientsRefused({recipient: (code, said)})
        code, said = self._step(self._server.data, message.as_bytes())
        if code != 250:
            raise smtplib.SMTPDataError(code, said)

    def _left(self) -> float:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the mail server takes too long")
        return left

    def _step(self, step: Any, *args: Any, **options: Any) -> Any:
        sock = self._server.sock
        if sock is not None:
            sock.settimeout(self._left())
        return step(*args, **options)


@contextmanager
def _errors_told_apart() -> Iterator[None]:
    """Tell what is wrong with a mail from what is wrong with the way to the server."""
    try:
        yield
    except smtplib.SMTPRecipientsRefused as error:
        raise _refusal(*next(iter(error.recipients.values()))) from error
    except smtplib.SMTPDataError as error:
        raise _refusal(error.smtp_code, error.smtp_error) from error
    # Among them a refused password or sender, which are settings and no fault of a mail.
    except (smtplib.SMTPException, OSError) as error:
        raise Unavailable(f"The mail server can't be used: {_said(error)}") from error


def _refusal(code: int, said: bytes | str) -> Exception:
    text = f"The mail server answered {code} {_text(said)}"
    if code >= 500:
        return EventRefused(text)
    seconds = 1.0 if code == 421 else ANOTHER_TRY_SECONDS
    return Unavailable(text, retry_after_seconds=seconds)


def _said(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_text(error.smtp_error)}"
    return f"{type(error).__name__} {error}".strip()


def _text(said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return " ".join(text.split())[:200]
