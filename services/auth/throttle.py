"""Slow down whoever guesses passwords, without locking anybody out.

Sources: OWASP ASVS 5, 6.3.1; OWASP authentication cheat sheet, on the device cookies that keep the
allowance of known browsers apart.  ``docs/adr/0009-throttling-of-log-in.md`` has the reasons.

An attempt takes its places before the password is looked at and gives them back when it was right,
so that guesses side by side can't slip through.  Names that are nobody's count as others do.
"""

import hashlib
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from chassis.clock import Clock
from chassis.inbound.sources import network_of
from storage.database import Database, repeat_on_collision, serialise

from .domain import folded
from .errors import TooManyAttempts
from .models import Delay, Guess

MAX_FROM_SOURCE: Final = 20
MAX_AT_ACCOUNT: Final = 10
MAX_REGISTRATIONS: Final = 20
FREE_FAILURES: Final = 5
"""Wrong passwords in a row that cost no waiting."""


@dataclass(frozen=True, slots=True)
class Times:
    """Say over how long attempts count, and the longest delay between wrong passwords."""

    source: timedelta
    account: timedelta
    max_delay: timedelta


@dataclass(frozen=True, slots=True)
class Attempt:
    """Describe one attempt to sign in; ``device`` is known to have signed in to the account."""

    username: str
    source: str
    device: bytes | None = None
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def account(self) -> bytes:
        """Return the key of the account, whether or not there is one."""
        return account_key(self.username)

    @property
    def pair(self) -> bytes:
        """Return the key under which wrong passwords in a row are counted."""
        if self.device:
            return _key("device", self.device.hex())
        return _key("pair", self.account.hex(), network_of(self.source))


def account_key(username: str) -> bytes:
    """Return the key of whoever has a name."""
    return _key("account", folded(username))


class Throttle:
    """Count attempts in a database, which several copies of the service may share."""

    def __init__(self, database: Database, clock: Clock, times: Times) -> None:
        """Count in the tables of ``models``."""
        self._database = database
        self._clock = clock
        self._times = times

    def admit(self, attempt: Attempt) -> None:
        """Take the places of an attempt to sign in, as if it were wrong.

        Raises:
            TooManyAttempts: there is none; to come too early makes the next wait longer.
        """
        wait = repeat_on_collision(lambda: self._take_places(attempt))
        if wait:
            raise TooManyAttempts(wait.total_seconds())

    def forgive(self, session: Session, attempt: Attempt) -> None:
        """Give the places of an attempt that was right back, in the caller's transaction."""
        session.execute(delete(Guess).where(Guess.attempt == attempt.id))
        session.execute(delete(Delay).where(Delay.key == attempt.pair))

    def admit_registration(self, source: str) -> None:
        """Count somebody who wants to register.

        Raises:
            TooManyAttempts: too many want to from there.
        """
        key, life = _key("registration", network_of(source)), self._times.source

        def take_place() -> timedelta | None:
            now = self._clock.now()
            with self._database.write() as session:
                serialise(session, key.hex())
                wait = _full_for(session, key, MAX_REGISTRATIONS, now)
                if not wait:
                    session.add(Guess(attempt=uuid.uuid4().hex, key=key, expires_at=now + life))
                return wait

        if wait := repeat_on_collision(take_place):
            raise TooManyAttempts(wait.total_seconds())

    def _take_places(self, attempt: Attempt) -> timedelta | None:
        """Return how long to wait instead, if there are none."""
        now, limits = self._clock.now(), self._limits(attempt)
        with self._database.write() as session:
            # In one order for all, so that no two wait for one another.
            for key in sorted([*limits, attempt.pair]):
                serialise(session, key.hex())
            waits = [_full_for(session, key, most, now) for key, (most, _) in limits.items()]
            delay = _delay(session, attempt, now)
            is_early = delay.until > now
            if not any(waits):
                session.add(delay)
                self._lengthen(delay, now)
            if is_early:
                waits.append(delay.until - now)
            if any(waits):
                return max(wait for wait in waits if wait)
            for key, (_, life) in limits.items():
                places = {"key": key, "account": attempt.account, "expires_at": now + life}
                session.add(Guess(attempt=attempt.id, **places))
        return None

    def _limits(self, attempt: Attempt) -> dict[bytes, tuple[int, timedelta]]:
        """Return how many places each limit of an attempt has, and how long they are taken."""
        at_account = (MAX_AT_ACCOUNT, self._times.account)
        # Nobody beside a known browser, or behind the same address, can use its places up.
        if attempt.device:
            return {_key("known", attempt.device.hex()): at_account}
        source = _key("source", network_of(attempt.source))
        return {attempt.account: at_account, source: (MAX_FROM_SOURCE, self._times.source)}

    def _lengthen(self, delay: Delay, now: datetime) -> None:
        """Count one more, after which the next has to wait longer."""
        delay.count += 1
        delay.until = now + self._wait_after(delay.count)
        delay.expires_at = delay.until + self._times.account

    def _wait_after(self, count: int) -> timedelta:
        if count < FREE_FAILURES:
            return timedelta(0)
        doublings = min(max(0, count - FREE_FAILURES - 1), 20)
        return min(self._times.max_delay, timedelta(seconds=2**doublings))


def forget_expired(session: Session, now: datetime) -> None:
    """Drop what counts no longer."""
    session.execute(delete(Guess).where(Guess.expires_at <= now))
    session.execute(delete(Delay).where(Delay.expires_at <= now))


def forget_account(session: Session, username: str) -> None:
    """Drop whatever was counted at an account."""
    for table in (Guess, Delay):
        session.execute(delete(table).where(table.account == account_key(username)))


def _delay(session: Session, attempt: Attempt, now: datetime) -> Delay:
    """Return what is known of wrong passwords in a row, or a new record that is not stored yet."""
    # Locked, because it may be forgiven or dropped at this moment.
    delay = session.get(Delay, attempt.pair, with_for_update=True)
    if delay is None:
        return Delay(key=attempt.pair, account=attempt.account, count=0, until=now)
    if delay.expires_at <= now:
        delay.count, delay.until = 0, now
    return delay


def _full_for(session: Session, key: bytes, most: int, now: datetime) -> timedelta | None:
    """Return how long it takes until one of the places of a limit is free; None when one is."""
    taken = select(Guess.expires_at).where(Guess.key == key, Guess.expires_at > now)
    first_to_go = taken.order_by(Guess.expires_at.desc()).offset(most - 1).limit(1)
    until = session.scalar(first_to_go)
    return until - now if until else None


def _key(kind: str, *parts: str) -> bytes:
    return hashlib.sha256("\0".join((kind, *parts)).encode()).digest()
