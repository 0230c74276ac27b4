"""Buy in a whole shop whose events go through a broker to the documented worker."""

import email
from email.policy import SMTP

import pytest

from tests.e2e.running import Shop
from tests.e2e.shopper import Shopper
from tests.services.mail_worker import QUEUE, Worker

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]


def test_order_is_confirmed_by_mail_and_nobody_waited_for_it(queue, neighbours, tmp_path, within):
    accounts = {"ACCOUNTS_URL": neighbours.url, "CELERY_BROKER_URL": queue.url}
    with Shop(tmp_path, **accounts) as shop:
        alice = Shopper(shop.url).sign_in("alice")
        placed = alice.order()
        worker = Worker(tmp_path, queue, neighbours, AUTH_URL=shop.url_of("auth")).start()
        try:
            within(40, lambda: worker.files)
            within(10, lambda: queue.depth(QUEUE) == 0)
        finally:
            worker.close()

    assert placed.status_code == 201
    (path,) = worker.files
    mail = email.message_from_bytes(path.read_bytes(), policy=SMTP)
    assert mail["Content-Language"] == "es"
    assert placed.json()["id"] in mail["Subject"]
    assert path.stat().st_mode & 0o777 == 0o600
