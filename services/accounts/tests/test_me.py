"""Show and change one's own account."""

import threading

import pytest

from chassis.testing import bearer
from services.accounts.service import LOOK_SECONDS, MAX_WAITING, WAIT_SECONDS

from .conftest import ADDRESS

ME = "/api/v1/accounts/me"


@pytest.fixture
def sleeps(sleep_by, clock):
    """Let time pass instead of sleeping, and do what a test puts in the way."""
    meanwhile = []

    def sleep(seconds):
        clock.advance(seconds)
        if meanwhile:
            meanwhile.pop(0)()

    sleep_by(sleep)
    return meanwhile


def test_account_says_what_the_registration_said(client, register, alice, clock):
    register(username="Alice", email="alice@example.com", language="de-AT")

    assert client.get(ME, headers=alice).get_json() == {
        "id": "alice",
        "username": "Alice",
        "email": "alice@example.com",
        "given_name": None,
        "family_name": None,
        "language": "de-AT",
        "addresses": [],
        "created_at": clock.now().isoformat(),
    }


def test_change_sets_what_it_names_and_leaves_the_rest(client, register, change, alice):
    register()

    change(given_name="Alice", family_name="Anders", language="fr", addresses=[ADDRESS])
    changed = change(family_name="Brown").get_json()

    assert changed["given_name"] == "Alice"
    assert (changed["family_name"], changed["language"]) == ("Brown", "fr")
    assert changed["addresses"] == [ADDRESS]
    assert client.get(ME, headers=alice).get_json() == changed


def test_null_clears_names_and_language(register, change):
    register(language="fr")
    change(given_name="Alice", family_name="Anders")

    changed = change(given_name=None, family_name=None, language=None).get_json()

    assert {changed[name] for name in ("given_name", "family_name", "language")} == {None}


def test_addresses_are_replaced_all_together_and_keep_their_order(client, register, change, alice):
    register()
    attic = [{**ADDRESS, "line2": "Attic"}, ADDRESS]
    ten = [{**ADDRESS, "line1": str(number)} for number in range(10)]

    for wanted in (attic, ten, attic[1:], []):
        assert change(addresses=wanted).get_json()["addresses"] == wanted
        assert client.get(ME, headers=alice).get_json()["addresses"] == wanted


def test_nobody_sees_or_changes_somebody_elses_account(client, register, change, mint):
    register("alice")
    register("bob")

    change("bob", given_name="Bob", addresses=[ADDRESS])

    accounts = [
        client.get(ME, headers=bearer(mint.user(name))).get_json() for name in ("alice", "bob")
    ]
    assert [account["given_name"] for account in accounts] == [None, "Bob"]
    assert [len(account["addresses"]) for account in accounts] == [0, 1]


REFUSED = (
    *({name: "x"} for name in ("id", "username", "email", "created_at", "roles", "city")),
    *({"given_name": name} for name in ("", " ", "x" * 121, "a\nb", "a\x7f", "\u2028", 1)),
    *({"language": tag} for tag in ("", "german", "DE", "de_AT", "de-", "de\n", "de-a", 1)),
    {"language": "de" + "-abcdefgh" * 4},
    *({"addresses": them} for them in (None, {}, [1], [{}], [ADDRESS] * 11)),
    *(
        {"addresses": [{**ADDRESS, **wrong}]}
        for wrong in (
            *({"country": country} for country in ("de", "DEU", "D\n", "")),
            *({"city": city} for city in ("", " ", "x" * 121, None, "a\tb")),
            *({"postal_code": "1" * 21}, {"line1": "x" * 201}, {"folded_city": "x"}),
        )
    ),
)


def test_what_is_not_ones_own_to_set_or_not_acceptable_is_refused(client, register, change, alice):
    register()
    before = client.get(ME, headers=alice).get_json()

    statuses = [(changes, change(**changes).status_code) for changes in REFUSED]

    assert [changes for changes, status in statuses if status != 422] == []
    assert client.get(ME, headers=alice).get_json() == before


@pytest.mark.parametrize("name", ["Zoë", "名前", "O'Neill", "Ali\u200creza", "x" * 120])
def test_names_of_all_people_are_kept(register, change, name):
    register()

    assert change(given_name=name).get_json()["given_name"] == name


def test_change_right_after_the_registration_waits_for_the_news(sleeps, register, change):
    sleeps += [lambda: None, register]

    assert change(given_name="Alice").get_json()["given_name"] == "Alice"
    assert sleeps == []


def test_account_whose_news_does_not_come_is_not_ready(client, sleeps, alice, clock):
    began = clock.monotonic()

    answer = client.get(ME, headers=alice)

    assert (answer.status_code, answer.get_json()["code"]) == (503, "account_not_ready")
    assert answer.headers["Retry-After"] == "1"
    # From half a second on, the gateway would take this service for a slow one.
    assert WAIT_SECONDS <= clock.monotonic() - began <= WAIT_SECONDS + LOOK_SECONDS < 0.5


@pytest.mark.usefixtures("sleeps")
def test_who_comes_later_may_wait_as_well(client, alice, clock):
    for _ in range(MAX_WAITING):
        client.get(ME, headers=alice)
    began = clock.monotonic()

    client.get(ME, headers=alice)

    assert clock.monotonic() - began >= WAIT_SECONDS


def test_those_who_wait_leave_threads_for_the_news(app, sleep_by, alice, clock):
    everybody_waits, enough = threading.Barrier(MAX_WAITING + 1), threading.Event()

    def sleep(seconds):
        everybody_waits.wait(5)
        enough.wait(5)
        clock.advance(WAIT_SECONDS)

    sleep_by(sleep)

    def ask():
        return app.test_client().get(ME, headers=alice).status_code

    waiting = [threading.Thread(target=ask) for _ in range(MAX_WAITING)]
    for thread in waiting:
        thread.start()
    everybody_waits.wait(5)

    # The sleep would break the barrier, and so fail.
    assert ask() == 503
    enough.set()
    for thread in waiting:
        thread.join()


def test_export_is_everything_as_a_file_that_nobody_keeps(client, register, change, alice):
    register()
    account = change(given_name="Alice", addresses=[ADDRESS]).get_json()

    answer = client.get(f"{ME}/export", headers=alice)

    assert answer.get_json() == account
    assert answer.headers["Content-Disposition"] == 'attachment; filename="account.json"'
    assert answer.headers["Cache-Control"] == "no-store"
