"""Write the mails: text and HTML, in the language of whoever gets them.

``texts`` holds what is said, one file for each language, and ``templates`` how it looks.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import localtime
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from contracts.money import MINOR_DIGITS, Money

from .addresses import address_of
from .domain import KINDS, Recipient, choose_language, key_of, on_one_line
from .errors import UnusableAddress

FOLDER: Final = Path(__file__).parent
SYMBOLS: Final[Mapping[str, str]] = {"EUR": "€", "GBP": "£", "JPY": "¥", "USD": "$"}


def load_texts(folder: Path = FOLDER / "texts") -> dict[str, dict[str, Any]]:
    """Return what mails say, by language."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in folder.glob("*.json")}


def money_text(amount: Money, style: Mapping[str, str]) -> str:
    """Return an amount as a language writes it, such as ``1.234,50 €``."""
    digits = MINOR_DIGITS[amount.currency]
    whole, fraction = divmod(amount.amount_minor, 10**digits)
    text = f"{whole:,}".replace(",", style["group"])
    if digits:
        text += f"{style['decimal']}{fraction:0{digits}}"
    return style["pattern"].format(amount=text, symbol=SYMBOLS[amount.currency])


@dataclass(frozen=True)
class Event:
    """Hold what a mail follows from, and nothing else: the same event gives the same mail."""

    id: str
    type: str
    occurred_at: datetime
    data: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Return the name of the mail."""
        return key_of(self.id)


class Writer:
    """Write letters from one sender, with links to one shop."""

    def __init__(self, sender: Address, shop_url: str) -> None:
        """Read all texts and templates once."""
        self._sender = sender
        self._shop_url = shop_url
        self._texts = load_texts()
        templates = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._plain = templates.get_template("mail.txt")
        self._html = templates.get_template("mail.html")

    def write(self, event: Event, recipient: Recipient) -> EmailMessage:
        """Return the mail about an event.

        Raises:
            UnusableAddress: nothing can be sent to the recipient's address.
        """
        to = address_of(recipient.address, on_one_line(recipient.name))
        language = choose_language(recipient.language, self._texts)
        said = self._said(event, recipient, language)
        message = EmailMessage(SMTP if to.addr_spec.isascii() else SMTPUTF8)
        message["From"], message["To"] = self._sender, to
        message["Subject"] = said["subject"]
        message["Date"] = localtime(event.occurred_at)
        message["Message-ID"] = f"<{event.key}@{self._sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(self._plain.render(said))
        message.add_alternative(self._html.render(said), subtype="html")
        message["Content-Language"] = language
        message.set_boundary(f"=_{event.key}")
        _check_head(message)
        return message

    def _said(self, event: Event, recipient: Recipient, language: str) -> dict[str, Any]:
        texts, data = self._texts[language], event.data
        words: dict[str, str] = {"name": on_one_line(recipient.name)}
        lines: list[dict[str, str]] = []
        if "order_id" in data:
            style = texts["money"]
            words["order_id"] = on_one_line(data["order_id"])
            words["total"] = money_text(Money(**data["total"]), style)
            lines = [_line(item, style) for item in data["items"]]
        letter = texts[KINDS[event.type]]
        return {
            "language": language,
            "shop": self._sender.display_name or self._sender.domain,
            "shop_url": self._shop_url,
            "subject": letter["subject"].format(**words),
            "title": letter["title"].format(**words),
            "greeting": texts["greeting"].format(**words),
            "paragraphs": [paragraph.format(**words) for paragraph in letter["paragraphs"]],
            "link": texts["link"],
            "closing": texts["closing"],
            "why": texts["why"],
            "labels": texts["order"],
            "lines": lines,
            **{name: words.get(name, "") for name in ("order_id", "total")},
        }


def _line(item: Mapping[str, Any], style: Mapping[str, str]) -> dict[str, str]:
    price = Money(**item["price"])
    return {
        "title": on_one_line(item["title"]),
        "quantity": str(item["quantity"]),
        "price": money_text(price.times(item["quantity"]), style),
    }


def _check_head(message: EmailMessage) -> None:
    """Make sure that nothing in a header became a line of its own.

    Raises:
        UnusableAddress: something did.
    """
    read = message_from_bytes(message.as_bytes(), policy=message.policy)
    if read.keys() != message.keys():
        raise UnusableAddress("Something in it would be taken for another line of the head.")
