"""Take events, and send one mail for each."""

from datetime import timedelta

import pytest

from chassis.errors import EventRefused, Unavailable
from messaging.consumer import KEPT, EnvelopeSchema
from services.notifications.models import Mail
from services.notifications.service import FORGET_EVERY

from .samples import an_event


def recipients(post):
    return [message["To"].addresses[0].addr_spec for message in post.sent]


def test_order_is_told_to_the_address_that_accounts_knows(tell, office, post):
    assert tell(an_event()) == 204

    office.work()

    assert recipients(post) == ["alice@example.org"]
    assert post.sent[0]["Subject"] == "Your order ord_Ny0WHVUu5mqpITnIfdbHfw is confirmed"


def test_welcome_asks_nobody_for_the_address(tell, office, post, accounts):
    accounts.away = True
    tell(an_event("account.opened"))

    office.work()

    assert post.sent[0]["Subject"] == "Willkommen beim Potion Shop"


def test_event_that_comes_three_times_is_one_mail(tell, office, post):
    event = an_event()

    for _ in range(3):
        assert tell(event) == 204
        office.work()

    assert len(post.sent) == 1


def test_events_that_lead_to_no_mail_are_fine(tell, office, post, look):
    assert tell(an_event("user.registered")) == 204

    office.work()

    assert post.sent == []
    assert look()["outbox"] == {"depth": 0, "oldest_age_seconds": None, "dead": 0}


@pytest.mark.parametrize("email", [None, ""])
def test_account_without_an_address_gets_nothing(tell, office, post, accounts, look, email):
    accounts.open("user-1", email)
    tell(an_event())

    office.work()

    assert post.sent == []
    assert look()["outbox"]["depth"] == 0


def test_account_that_is_gone_gets_nothing(tell, office, accounts, look):
    accounts.people.clear()
    tell(an_event())

    office.work()

    assert look()["outbox"] == {"depth": 0, "oldest_age_seconds": None, "dead": 0}


def test_mails_wait_while_accounts_is_away(tell, office, post, accounts, clock, look):
    accounts.away = True
    for _ in range(3):
        tell(an_event())
    for _ in range(20):
        office.work()
        clock.advance(5)
    assert look()["outbox"] == {"depth": 3, "oldest_age_seconds": 100.0, "dead": 0}

    accounts.away = False
    office.work()

    assert len(post.sent) == 3


def test_mail_that_was_put_off_waits_as_long_as_it_was_asked_to(tell, office, post, clock):
    post.error = Unavailable("Greylisted.", retry_after_seconds=60)
    tell(an_event())
    office.work()
    post.error = None

    clock.advance(59)
    office.work()
    assert post.sent == []

    clock.advance(1)
    office.work()
    assert len(post.sent) == 1


def test_refused_mail_is_a_dead_letter_that_operators_have_sent_again(
    tell, office, post, look, retry
):
    post.error = EventRefused("The mail server answered 550 no such user")
    event = an_event()
    tell(event)
    tell(an_event())
    office.work()
    post.error = None

    seen = look()
    assert seen["outbox"]["dead"] == 2
    letter = next(each for each in seen["dead_letters"] if each["id"] == event["id"])
    assert (letter["type"], letter["attempts"]) == ("order.confirmed", 1)
    assert "550 no such user" in letter["last_error"]
    assert (retry(event["id"]), retry("nothing")) == (204, 404)
    office.work()

    assert len(post.sent) == 1
    assert look()["outbox"]["dead"] == 1


def test_poisoned_mails_hold_nobody_up(tell, office, post, clock, look):
    broken = an_event("account.opened", data={"email": "nobody@exa mple.org"})
    tell(broken)
    office.set_aside("no JSON at all \x00", "It is no task.")
    for _ in range(10):
        tell(an_event())

    office.work()

    assert len(post.sent) == 10
    assert {letter["type"] for letter in look()["dead_letters"]} == {"account.opened", "unreadable"}


@pytest.mark.parametrize(
    "changes",
    [{"version": 2}, {"data": {"total": {"amount_minor": -1, "currency": "USD"}}},
     {"data": {"items": []}}, {"data": {"total": {"amount_minor": 1, "currency": "XXX"}}}],
)  # fmt: skip
def test_what_can_not_be_read_is_refused_and_not_kept(tell, look, changes):
    assert tell(an_event(**changes)) == 422

    assert look()["outbox"]["depth"] == 0


def test_newer_publisher_may_tell_more(tell, office, post):
    tell(an_event(data={"gift": True}, colour="green"))

    office.work()

    assert len(post.sent) == 1


def test_what_was_set_aside_is_kept_once(office, look):
    for _ in range(3):
        office.set_aside("{", "It is no task.")

    assert look()["outbox"]["dead"] == 1


def test_notes_of_old_events_are_dropped(office, clock, post):
    event = EnvelopeSchema().load(an_event())
    office.take(event)
    office.work()

    clock.advance((KEPT + FORGET_EVERY + timedelta(seconds=1)).total_seconds())
    office.work()
    office.take(event)
    office.work()

    assert len(post.sent) == 2


def test_dead_letter_outlives_the_note_of_its_event(office, clock, post):
    post.error = EventRefused("550 no such user")
    event = EnvelopeSchema().load(an_event())
    office.take(event)
    office.work()
    clock.advance((KEPT + FORGET_EVERY + timedelta(seconds=1)).total_seconds())
    office.work()

    office.take(event)
    office.set_aside("{", "It is no event.", event["id"])

    with office.database.read() as session:
        assert session.query(Mail).count() == 1


@pytest.mark.parametrize("text", ["\ud800", "\x00", "\u2603"])
def test_nothing_is_too_strange_to_be_set_aside(office, look, text):
    office.set_aside(text, f"The task {text} is not known here.")

    assert look()["outbox"]["dead"] == 1


def test_service_shows_its_breakers(office, look):
    assert (look()["service"], look()["breakers"]) == ("notifications", {})
