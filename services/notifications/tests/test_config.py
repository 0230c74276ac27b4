"""Read the settings of the notifications service."""

import pytest

from chassis.config import ConfigError
from services.notifications.config import Config
from services.notifications.smtp_url import read_smtp_url


@pytest.mark.parametrize(
    ("address", "port", "tls", "starttls"),
    [
        ("smtp://mail.example", 587, False, True),
        ("smtp://u:p@mail.example:2525", 2525, False, True),
        ("smtps://u:p@mail.example", 465, True, False),
        ("smtp://mail.example:25?starttls=never", 25, False, False),
        ("smtp://localhost:1025", 1025, False, False),
        ("smtp://u:p@127.0.0.1:1025", 1025, False, False),
        ("smtp://[::1]:1025?starttls=required", 1025, False, True),
    ],
)
def test_address_says_how_to_speak_with_the_server(address, port, tls, starttls):
    server = read_smtp_url(address)

    assert (server.port, server.tls, server.starttls) == (port, tls, starttls)


def test_user_and_password_are_decoded():
    server = read_smtp_url("smtps://shop%40example.org:p%40ss%2F@mail.example")

    assert (server.user, server.password) == ("shop@example.org", "p@ss/")


@pytest.mark.parametrize(
    "address",
    [
        *("mail.example", "http://mail.example", "smtp://", "smtp://mail.example:x", "smtp://h/p"),
        *("smtp://hu5h@mail.example", "smtp://:hu5h@mail.example", "smtp://u:hu5h@[::1"),
        *("smtp://u:hu5h@mail.example?starttls=never", "smtp://u:hu5h@h?starttls=maybe"),
        *("smtps://u:hu5h@h?starttls=never&x=1", "smtps://u:hu5h@h?starttls=required"),
        *("smtp://u:hu5h%0d%0a@mail.example", "smtp://u:hu5h@mail.example:99999"),
    ],
)
def test_wrong_address_is_named_without_its_password(address):
    with pytest.raises(ConfigError, match=r"^SMTP_URL: ") as error:
        Config.from_environ({"SMTP_URL": address})

    assert "hu5h" not in str(error.value)


@pytest.mark.parametrize(
    "text", ["Shop", "a@b, c@d", "Shop <shop>", "x\r\nBcc: a@b", "ü@b.org", "@"]
)
def test_wrong_sender_is_named(text):
    with pytest.raises(ConfigError, match=r"^MAIL_FROM: expected one address"):
        Config.from_environ({"MAIL_FROM": text})


@pytest.mark.parametrize("text", ["shop.example", "ftp://shop.example", "https://", "http://h/?a"])
def test_wrong_shop_is_named(text):
    with pytest.raises(ConfigError, match=r"^SHOP_URL: expected an address"):
        Config.from_environ({"SHOP_URL": text})


def test_production_sends_no_mails_of_nobody():
    settings = {"SHOP_ENV": "production", "SMTP_URL": "smtps://mail.example"}

    with pytest.raises(ConfigError) as error:
        Config.from_environ(settings)

    assert [line.partition(":")[0] for line in str(error.value).splitlines()] == [
        "MAIL_FROM",
        "SHOP_URL",
    ]
    named = {"MAIL_FROM": "Shop <a@shop.example>", "SHOP_URL": "https://shop.example/"}
    assert Config.from_environ({**settings, **named}).shop_url == "https://shop.example"


def test_links_lead_to_this_machine_unless_told_otherwise():
    assert Config.from_environ({"PORT": "9000"}).shop_url == "http://localhost:9000"
