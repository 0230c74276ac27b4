"""Read the mails as whoever gets them does."""

import email
import itertools
import re
from email.policy import SMTP
from html.parser import HTMLParser

import pytest

from chassis.errors import EventRefused
from contracts.money import MINOR_DIGITS, Money
from services.notifications.config import DEFAULT_FROM, sender
from services.notifications.domain import KINDS, Recipient, choose_language
from services.notifications.events import SCHEMAS
from services.notifications.letters import SYMBOLS, Writer, load_texts, money_text

from .samples import read

TEXTS = load_texts()
ALICE = Recipient("alice@example.org", "Alice", "en")
PLACEHOLDER = re.compile(r"{(\w+)}")
VOID = {"meta", "br", "img", "hr", "link", "input"}


@pytest.fixture(scope="module")
def writer():
    return Writer(sender(DEFAULT_FROM), "https://shop.example")


def parts(message):
    """Return text and HTML of a mail that has travelled."""
    arrived = email.message_from_bytes(message.as_bytes(), policy=SMTP)
    plain, html = arrived.iter_parts()
    return plain.get_content(), html.get_content()


class Outline(HTMLParser):
    """Note the elements, and fail when they are not closed in order."""

    def __init__(self, html):
        super().__init__()
        self.open, self.seen, self.links, self.loaded = [], [], [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        attributes = dict(attrs)
        self.links += [attributes["href"]] if "href" in attributes else []
        self.loaded += [value for name, value in attrs if name in {"src", "background"}]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_every_language_says_the_same_things():
    def shape(value):
        if isinstance(value, dict):
            return {name: shape(member) for name, member in value.items()}
        if isinstance(value, list):
            return len(value)
        return set(PLACEHOLDER.findall(value))

    assert {"en", "de", "fr", "es"} < TEXTS.keys()
    shapes = {code: shape(texts) for code, texts in TEXTS.items()}
    assert all(shape == shapes["en"] for shape in shapes.values())
    assert TEXTS["en"].keys() >= set(KINDS.values())


def test_every_type_that_is_read_leads_to_a_mail():
    assert SCHEMAS.keys() == KINDS.keys()


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        *((None, "en"), ("", "en"), ("en-GB", "en"), ("de", "de"), ("de-AT", "de")),
        *(("de-Latn-AT", "de"), ("zh-TW", "en"), ("es-419", "es"), ("xx", "en"), ("-", "en")),
    ],
)
def test_nearest_language_is_chosen(wanted, chosen):
    assert choose_language(wanted, TEXTS) == chosen


@pytest.mark.parametrize(
    ("language", "amount", "text"),
    [
        ("en", Money(123_455), "$1,234.55"),
        ("de", Money(123_455), "1.234,55\xa0$"),
        ("fr", Money(123_455, "EUR"), "1\u202f234,55\xa0€"),
        ("es", Money(5, "EUR"), "0,05\xa0€"),
        ("it", Money(100_000_000, "GBP"), "1.000.000,00\xa0£"),
        ("en", Money(1_234, "JPY"), "¥1,234"),
        ("de", Money(0), "0,00\xa0$"),
    ],
)
def test_amounts_are_written_as_the_language_does(language, amount, text):
    assert money_text(amount, TEXTS[language]["money"]) == text


def test_every_currency_has_its_symbol():
    assert SYMBOLS.keys() == MINOR_DIGITS.keys()


@pytest.mark.parametrize(("language", "kind"), [*itertools.product(sorted(TEXTS), KINDS)])
def test_mail_has_text_and_html_that_say_the_same(writer, language, kind):
    message = writer.write(read(kind), Recipient("a@example.org", "Zoë", language))

    plain, html = parts(message)
    outline = Outline(html)
    letter = TEXTS[language][KINDS[kind]]
    assert message.get_content_type() == "multipart/alternative"
    assert message["Content-Language"] == language
    for paragraph in letter["paragraphs"]:
        assert paragraph in plain
        assert paragraph in html.replace("&#39;", "'")
    assert "Zoë" in plain
    assert "Zoë" in html
    assert outline.links == ["https://shop.example"]
    assert outline.loaded == []
    assert {"h1", "table"} <= set(outline.seen)
    assert not PLACEHOLDER.search(plain)


def test_order_lists_its_lines_and_total(writer):
    plain, html = parts(writer.write(read(), ALICE))

    assert "2 x Erlenmeyer Flask 'Werkzeug': $1,234.50" in plain
    assert "Total: $1,234.55" in plain
    for text in ("ord_Ny0WHVUu5mqpITnIfdbHfw", "$1,234.50", "$0.05", "$1,234.55"):
        assert text in html


def test_nothing_that_somebody_wrote_is_markup(writer):
    name = "<script>alert(1)</script>"

    plain, html = parts(writer.write(read(), Recipient("a@example.org", name, "en")))

    assert name in plain
    assert "<script" not in html
    assert "Elixir of &lt;b&gt;Patience&lt;/b&gt;" in html


@pytest.mark.parametrize(
    "name",
    [
        "Eve\r\nBcc: all@example.org",
        "Eve\nBcc: all@example.org\n\nhello",
        'Eve "the" <x@evil.test>, Bob',
        "Ève Ångström 李雷",
        "\u2028\x00\x1b[31mEve",
        "{0.__class__} {name}",
        "=?utf-8?q?x?= =?utf-8?q?=0d=0a=0d=0aClick_http://evil.example_now?=",
        "\u00dcnal =?utf-8?q?x=0d=0aBcc:y?=",
        "=?utf-8?b?eA0KQmNjOiB2QGUuY29tDQpZOiA=?=",
        "a" * 200,
    ],
)
def test_no_name_makes_a_header_or_another_recipient(writer, name):
    message = writer.write(read("account.opened", data={"given_name": "x"}), ALICE)
    told = writer.write(read(), Recipient("alice@example.org", name, "en"))

    arrived = email.message_from_bytes(told.as_bytes(), policy=SMTP)
    assert arrived.keys() == message.keys()
    assert [each.addr_spec for each in arrived["To"].addresses] == ["alice@example.org"]
    assert arrived["To"].addresses[0].display_name == told["To"].addresses[0].display_name
    assert arrived.defects == []


def test_order_id_with_a_line_break_makes_no_header(writer):
    message = writer.write(read(data={"order_id": "1\r\nBcc: all@example.org"}), ALICE)

    arrived = email.message_from_bytes(message.as_bytes(), policy=SMTP)
    assert "Bcc" not in arrived
    assert arrived["Subject"] == "Your order 1 Bcc: all@example.org is confirmed"


@pytest.mark.parametrize(
    ("address", "sent_to"),
    [
        ("alice@bücher.example", "alice@xn--bcher-kva.example"),
        ("o'hara+shop@example.org", "o'hara+shop@example.org"),
        ("two words@example.org", '"two words"@example.org'),
        ("jürgen@example.org", "jürgen@example.org"),
        ("a,b@example.org", '"a,b"@example.org'),
    ],
)
def test_strange_addresses_are_written_correctly(writer, address, sent_to):
    message = writer.write(read(), Recipient(address, "A", "en"))

    (line,) = [line for line in message.as_bytes().decode().splitlines() if line[:3] == "To:"]
    assert line == f"To: A <{sent_to}>"


@pytest.mark.parametrize(
    "address",
    [
        *("", "@", "nobody", "@example.org", "a@", "a@b@", "a@exa mple.org", "a@example.org>"),
        *("a@.example", "a@b,c.example", "a\r\nBcc: x@y.z@example.org", f"a@{'b' * 64}.org"),
        *("a@example.org\r\nBcc: x@y.z", "a\x00@example.org", "a@ü..org"),
        *("=?utf-8?q?x=0d=0aBcc:y?=@b.c", "=?utf-8?b?eA0KQmNjOiB2QGUuY29tDQpZOiA=?=@b.c"),
    ],
)
def test_address_that_is_none_is_refused(writer, address):
    with pytest.raises(EventRefused):
        writer.write(read(), Recipient(address, "A", "en"))


def test_same_event_gives_the_same_mail(writer):
    event = read()

    first, second = (writer.write(event, ALICE) for _ in range(2))

    assert first.as_bytes() == second.as_bytes()
    assert first["Message-ID"] == f"<{event.id}@localhost>"
    assert first["Auto-Submitted"] == "auto-generated"
    assert first["From"] == DEFAULT_FROM
    assert "2026" in first["Date"]


@pytest.mark.parametrize("event_id", ["../../etc/passwd", "a b", "é", "x>\r\nBcc: a"])
def test_strange_id_is_no_part_of_a_name(event_id):
    assert re.fullmatch("[0-9a-f]{32}", read(id=event_id).key)
