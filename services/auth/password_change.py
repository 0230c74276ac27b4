"""Let people change their password."""

from sqlalchemy.orm import Session

from chassis.errors import Conflict, Unauthenticated
from chassis.inbound import audit
from chassis.inbound.tokens import Principal

from . import devices, password_policy, sessions
from .errors import InvalidCredentials, TooManyAttempts
from .models import User
from .passwords import normal
from .service import Desk, Visitor, check_password, find_enabled, get_user, signed_in
from .throttle import Attempt
from .tokens import AccessToken

CHANGE = "password.change"
MEMBER = "new_password"


def change_password(
    desk: Desk, who: Principal, current: str, new: str, visitor: Visitor
) -> AccessToken:
    """Give somebody another password, end their other sessions, and renew the one at hand.

    A wrong current password counts as one at a log-in does.  No transaction is open while
    passwords are hashed, which takes long.

    Raises:
        Invalid: the new password is the current one, or not good enough.
        InvalidCredentials: the current password is another.
        TooManyAttempts: the guess has to wait.
        HasherBusy: too many passwords are being checked.
        Unauthenticated: the user or the session is gone.
        Conflict: somebody else changed the password meanwhile.
    """
    user = get_user(desk, who.subject)
    if normal(new) == normal(current):
        raise password_policy.refusal("The same as the current one.", MEMBER)
    password_policy.check(new, user.username, user.email, member=MEMBER)
    try:
        _check_current(desk, user, current, visitor)
    except (TooManyAttempts, InvalidCredentials) as error:
        outcome = "throttled" if isinstance(error, TooManyAttempts) else "refused"
        audit.record(CHANGE, outcome, user=user.id)
        raise
    password_hash = desk.hasher.hash(new)
    with desk.database.write() as session:
        ticket = _replace(desk, session, user, who.session_id, password_hash)
        token = signed_in(desk, session, ticket, visitor)
    audit.record(CHANGE, "allowed", user=user.id)
    return token


def _check_current(desk: Desk, user: User, current: str, visitor: Visitor) -> None:
    with desk.database.read() as session:
        device = devices.find(session, user.id, visitor.device, desk.clock.now())
    attempt = Attempt(user.username, visitor.source, device)
    check_password(desk, user, current, attempt)
    # At once, because the new one may find no place to be hashed.
    with desk.database.write() as session:
        desk.throttle.forgive(session, attempt)


def _replace(
    desk: Desk, session: Session, checked: User, access_id: str, password_hash: str
) -> sessions.Ticket:
    """Store the hash, unless something has changed since the password was checked."""
    now = desk.clock.now()
    user = find_enabled(session, checked.id)
    ticket = sessions.renew(session, user, access_id, now, desk.lives) if user else None
    if user is None or ticket is None:
        raise Unauthenticated
    if user.password_hash != checked.password_hash:
        raise Conflict("The password was changed meanwhile.")
    user.password_hash, user.is_demo = password_hash, False
    sessions.end_all(session, user.id, now, but=ticket.access_id)
    return ticket
