"""Get a mail from a shop without broker and mail server."""

import email
from email.policy import SMTP

import pytest

from tests.e2e.shopper import Shopper
from tests.services.mail_worker import Neighbours
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture
def accounts():
    accounts = Neighbours()
    yield accounts
    accounts.close()


def test_order_is_confirmed_by_a_file(open_shop, accounts):
    shop = open_shop(ACCOUNTS_URL=accounts.url)

    order = Shopper(shop.url).sign_in("alice").order().json()
    wait_until(lambda: [*shop.data.glob("mail/*.eml")])

    (path,) = shop.data.glob("mail/*.eml")
    mail = email.message_from_bytes(path.read_bytes(), policy=SMTP)
    assert order["id"] in mail["Subject"]
    assert order["id"] in mail.get_body(("html",)).get_content()
