"""Declare the settings of the notifications service."""

from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address
from email.policy import SMTP
from typing import Final
from urllib.parse import urlsplit

from chassis.config import Environ, Secret, ServiceConfig, seconds, setting
from contracts.topology import DEFAULT_PORT, default_url
from storage.database import database_address
from storage.database import default_url as default_database_url

from .smtp_url import smtp_url

DEFAULT_FROM: Final = "Potion Shop <shop@localhost>"


def sender(text: str) -> Address:
    """Read who mails come from, as ``Name <user@host>`` or the address alone.

    Raises:
        ValueError: it is none, or more than one.
    """
    try:
        addresses = SMTP.header_factory("From", text).addresses
    except (MessageError, IndexError):
        addresses = ()
    if (
        len(addresses) != 1
        or not addresses[0].domain
        or not (text.isascii() and text.isprintable())
    ):
        raise ValueError("expected one address like Potion Shop <shop@example.org>, in ASCII")
    address: Address = addresses[0]
    return address


def mail_from(text: str) -> str:
    """Check who mails come from, for a setting.

    Raises:
        ValueError: as of :func:`sender`.
    """
    sender(text)
    return text


def shop_address(text: str) -> str:
    """Read the public address of the shop.

    Raises:
        ValueError: it is none.
    """
    url = urlsplit(text)
    if url.scheme not in {"http", "https"} or not url.hostname or url.query or url.fragment:
        raise ValueError("expected an address like https://shop.example")
    return text.rstrip("/")


def local_shop(environ: Environ) -> str:
    """Return where the shop is on this machine."""
    return f"http://localhost:{environ.get('PORT') or DEFAULT_PORT}"


@dataclass(frozen=True, kw_only=True)
class Config(ServiceConfig):
    """Hold where events come from and where mails go."""

    service = "notifications"

    database_url: Secret = setting(
        "NOTIFICATIONS_DATABASE_URL",
        default=default_database_url("notifications"),
        parse=database_address,
        doc="database of mails that wait",
    )
    auth_url: str = setting(
        "AUTH_URL", default=default_url("auth"), doc="where tokens and the key set come from"
    )
    accounts_url: str = setting(
        "ACCOUNTS_URL", default=default_url("accounts"), doc="who knows the mail addresses"
    )
    celery_broker_url: Secret = setting(
        "CELERY_BROKER_URL", default=Secret(""), parse=Secret, doc="broker that the worker asks"
    )
    smtp_url: Secret = setting(
        "SMTP_URL",
        default=Secret(""),
        parse=smtp_url,
        doc="mail server; without one, mails are files in `<data>/mail`",
    )
    # Below it a server that is slow to say that it has a mail would get it twice.
    smtp_seconds: float = seconds(
        "SMTP_SECONDS", default=30.0, doc="how long the mail server may take for a mail"
    )
    mail_from: str = setting(
        "MAIL_FROM", default=DEFAULT_FROM, parse=mail_from, doc="who mails come from"
    )
    shop_url: str = setting(
        "SHOP_URL", default=local_shop, parse=shop_address, doc="where links in mails lead"
    )
    relay_seconds: float = seconds(
        "RELAY_SECONDS", default=2.0, doc="pause between looks for mails that wait"
    )

    def problems(self) -> list[str]:
        """Refuse to send mails of nobody, with links to nowhere, from production."""
        problems = super().problems()
        if not (self.production and self.smtp_url):
            return problems
        if self.mail_from == DEFAULT_FROM:
            problems.append("MAIL_FROM: is required in production, when mails are sent")
        if urlsplit(self.shop_url).hostname == "localhost":
            problems.append("SHOP_URL: is required in production, when mails are sent")
        return problems
