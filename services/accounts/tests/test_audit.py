"""Leave a trail of who looked at accounts, took them along, and had them erased."""

import pytest

from chassis.errors import Unavailable

ME = "/api/v1/accounts/me"


@pytest.fixture
def trail(caplog):
    """Return what was noted, as far as these events name it."""

    def trail():
        names = ("event", "outcome", "user", "criterion", "reason")
        noted = [record for record in caplog.records if record.name == "audit"]
        return [
            {name: getattr(record, name) for name in names if hasattr(record, name)}
            for record in noted
        ]

    caplog.set_level("INFO", "audit")
    return trail


def test_who_looked_by_which_criterion_is_noted_and_for_whom_is_not(find, trail, caplog):
    find("email", "secret@example.com")

    assert trail() == [
        {"event": "account.query", "outcome": "allowed", "user": "olga", "criterion": "email"}
    ]
    assert "secret" not in str([vars(each) for each in caplog.records if each.name == "audit"])


def test_export_and_erasure_are_noted(client, register, alice, trail):
    register()
    client.get(f"{ME}/export", headers=alice)
    client.delete(ME, headers=alice)

    assert trail() == [
        {"event": f"account.{what}", "outcome": "allowed", "user": "alice"}
        for what in ("export", "erase")
    ]


def test_erasure_that_did_not_happen_is_noted(client, operator, users, trail):
    client.delete(ME, headers=operator)
    users.error = Unavailable()
    client.delete(ME, headers=operator)

    assert [(each["outcome"], each["reason"]) for each in trail()] == [
        ("refused", "last_operator"),
        ("refused", "unavailable"),
    ]
