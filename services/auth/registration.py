"""Let people register, and erase them again."""

import uuid
from dataclasses import dataclass, field

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from chassis.inbound import audit
from storage.database import repeat_on_collision, serialise

from . import administration, events, password_policy, sessions, throttle
from .domain import CUSTOMER, folded
from .errors import LastOperator, Taken, TooManyAttempts
from .models import User
from .service import Desk, Visitor, signed_in
from .tokens import AccessToken

REGISTER, ERASE = "user.register", "user.erase"


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Hold what somebody says who registers."""

    username: str
    email: str
    password: str = field(repr=False)
    language: str | None = None


def register(desk: Desk, newcomer: Newcomer, visitor: Visitor) -> tuple[User, AccessToken]:
    """Store a new customer, begin their first session and have others told, all or nothing.

    Raises:
        Invalid: the password is not good enough.
        TooManyAttempts: too many register from there.
        Taken: after the same work, whether the name or the address is somebody's.
        HasherBusy: too many passwords are being checked.
    """
    password_policy.check(newcomer.password, newcomer.username, newcomer.email)
    try:
        desk.throttle.admit_registration(visitor.source)
        password_hash = desk.hasher.hash(newcomer.password)
        with desk.database.write() as session:
            user = _store(session, desk, newcomer, password_hash)
            now = desk.clock.now()
            events.tell_registered(session, user, newcomer.language, now)
            ticket = sessions.begin(session, user, now, desk.lives)
            token = signed_in(desk, session, ticket, visitor)
    except TooManyAttempts:
        audit.record(REGISTER, "throttled")
        raise
    except Taken:
        audit.record(REGISTER, "refused", reason=Taken.code)
        raise
    desk.announce()
    audit.record(REGISTER, "allowed", user=user.id)
    return user, token


def erase(desk: Desk, user_id: str) -> None:
    """Delete all that is known of a user, and have others told; safe to repeat.

    Raises:
        LastOperator: nobody could run the shop any more.
    """
    try:
        username = repeat_on_collision(lambda: _erase(desk, user_id))
    except LastOperator:
        audit.record(ERASE, "refused", user=user_id, reason=LastOperator.code)
        raise
    if username:
        desk.announce()
        audit.record(ERASE, "allowed", user=user_id)


def _store(session: Session, desk: Desk, newcomer: Newcomer, password_hash: str) -> User:
    user = User(
        id=uuid.uuid4().hex,
        username=newcomer.username,
        folded_username=folded(newcomer.username),
        email=newcomer.email,
        folded_email=folded(newcomer.email),
        roles=[CUSTOMER],
        password_hash=password_hash,
        is_demo=False,
        created_at=desk.clock.now(),
    )
    session.add(user)
    try:
        # Nobody looks before, because somebody else could come in between.
        session.flush()
    except IntegrityError as error:
        raise Taken from error
    return user


def _erase(desk: Desk, user_id: str) -> str | None:
    with desk.database.write() as session:
        serialise(session, "operators")
        user = session.get(User, user_id, with_for_update=True)
        if user is None:
            return None
        administration.keep_an_operator(session, user)
        throttle.forget_account(session, user.username)
        sessions.end_all(session, user_id, desk.clock.now())
        session.flush()
        # Sessions and devices go with it.
        session.execute(delete(User).where(User.id == user_id))
        events.tell_erased(session, user_id, desk.clock.now())
    return user.username
