"""Be somebody who registers, speaks German from then on, and orders."""

import email
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

from tests.e2e.shopper import Shopper
from tests.waiting import wait_until

NAME = "wilhelmine"


def live(url: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Register, change the language, be greeted in it, and order; return greeting and order."""
    shopper = Shopper(url)
    person = {"username": NAME, "email": f"{NAME}@example.com", "password": "twelve quiet owls"}
    registered = shopper.post("/api/v1/auth/register", json=person)
    assert registered.status_code == 201, registered.text
    change = {"language": "de", "given_name": "Wilhelmine"}

    def changed() -> bool:
        # The account follows the registration within a moment.
        return shopper.call("PATCH", "/api/v1/accounts/me", json=change).status_code == 200

    wait_until(changed, 10)
    greeting = shopper.get("/api/v1/greetings/me").json()
    order = shopper.order()
    assert order.status_code == 201, order.text
    return greeting, order.json()


def read(path: Path) -> EmailMessage:
    """Read a mail from its file."""
    message = email.message_from_bytes(path.read_bytes(), policy=SMTP)
    assert isinstance(message, EmailMessage)
    return message
