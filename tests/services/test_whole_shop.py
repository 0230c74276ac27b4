"""Register and buy in a whole shop whose events go through a broker to the documented worker."""

import pytest

from tests.e2e import newcomer
from tests.e2e.running import Shop
from tests.services.mail_worker import QUEUE, Worker

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]


def test_newcomer_gets_their_mails_and_waited_for_none(queue, neighbours, tmp_path, within):
    with Shop(tmp_path, CELERY_BROKER_URL=queue.url) as shop:
        _, order = newcomer.live(shop.url)
        addresses = {name: shop.url_of(name.partition("_")[0].lower()) for name in URLS}
        worker = Worker(tmp_path, queue, neighbours, **addresses).start()
        try:
            within(40, lambda: len(worker.files) == 2)
            within(10, lambda: queue.depth(QUEUE) == 0)
        finally:
            worker.close()

    mails = map(newcomer.read, worker.files)
    welcome, confirmed = sorted(mails, key=lambda mail: order["id"] in mail["Subject"])
    assert newcomer.NAME in welcome["To"]
    assert confirmed["Content-Language"] == "de"
    assert order["id"] in confirmed["Subject"]
    assert {path.stat().st_mode & 0o777 for path in worker.files} == {0o600}


URLS = ("AUTH_URL", "ACCOUNTS_URL")
