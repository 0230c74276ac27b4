"""Register, and get one's mails from a shop without broker and mail server."""

import pytest

from tests.e2e import newcomer
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e


def test_newcomer_is_welcomed_greeted_in_their_language_and_told_of_the_order(open_shop):
    shop = open_shop()

    greeting, order = newcomer.live(shop.url)
    wait_until(lambda: len([*shop.data.glob("mail/*.eml")]) == 2, 10)

    assert (greeting["message"], greeting["language"]) == ("Hallo, Wilhelmine!", "de")
    mails = map(newcomer.read, shop.data.glob("mail/*.eml"))
    welcome, confirmed = sorted(mails, key=lambda mail: order["id"] in mail["Subject"])
    assert newcomer.NAME in welcome["To"]
    assert (welcome["Content-Language"], confirmed["Content-Language"]) == ("en", "de")
    assert order["id"] in confirmed["Subject"]
    for kind in ("plain", "html"):
        assert order["id"] in confirmed.get_body((kind,)).get_content()
