"""Take the news of users, and tell of the accounts that follow from it.

Pattern: Event-carried state transfer (Fowler, What do you mean by "Event-Driven"?).
``contracts/events`` holds the schemas of what is taken and told.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

from chassis.clock import Clock
from chassis.inbound.api import Text
from messaging import outbox
from messaging.consumer import Lenient, Wanted

from . import repository
from .domain import MAX_EMAIL_LENGTH, MAX_ID_LENGTH, MAX_USERNAME_LENGTH, is_language
from .models import Account, OutboxEvent

Event = Mapping[str, Any]


class ErasedSchema(Lenient):
    """Read whom an event is about."""

    user_id = Text(required=True, minimum=1, maximum=MAX_ID_LENGTH)


class ImportedSchema(ErasedSchema):
    """Read who can sign in now."""

    username = Text(required=True, minimum=1, maximum=MAX_USERNAME_LENGTH)
    email = Text(required=True, allow_none=True, maximum=MAX_EMAIL_LENGTH)
    language = Text(required=True, allow_none=True)


class RegisteredSchema(ImportedSchema):
    """Read who registered, which takes a mail address."""

    email = Text(required=True, minimum=1, maximum=MAX_EMAIL_LENGTH)


@dataclass(frozen=True)
class Publisher:
    """Store events for the relay, which ``wake`` has look for them."""

    wake: Callable[[], None]

    def publish_opened(self, session: Session, account: Account, clock: Clock) -> None:
        """Tell of a new account, in the transaction that makes it."""
        told = {"user_id": account.id, "username": account.username, "email": account.email}
        told |= {"language": account.language, "given_name": account.given_name}
        outbox.publish(session, OutboxEvent, "account.opened", account.id, told, clock.now())
        event.listen(session, "after_commit", lambda _session: self.wake(), once=True)


@dataclass(frozen=True)
class Listener:
    """Keep accounts in step with what auth tells of users; one user's events come in order."""

    publisher: Publisher
    clock: Clock

    def wanted(self) -> Mapping[str, Wanted]:
        """Return what has an effect here."""
        return {
            "user.registered": Wanted(RegisteredSchema(), self._registered),
            "user.imported": Wanted(ImportedSchema(), self._imported),
            "user.erased": Wanted(ErasedSchema(), self._erased),
        }

    def _registered(self, session: Session, news: Event) -> None:
        if account := self._open(session, news["data"]):
            self.publisher.publish_opened(session, account, self.clock)

    def _imported(self, session: Session, news: Event) -> None:
        # They did not ask for an account, so nobody welcomes them.
        self._open(session, news["data"])

    def _erased(self, session: Session, news: Event) -> None:
        repository.erase(session, news["data"]["user_id"], self.clock.now())

    def _open(self, session: Session, user: Mapping[str, Any]) -> Account | None:
        # Nobody goes without an account for a language that can't be kept.
        language = user["language"] if is_language(user["language"] or "") else None
        known = {**user, "language": language}
        return repository.add_account(session, **known, now=self.clock.now())
