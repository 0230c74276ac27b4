"""Let operators see users, disable them and say what they may do.

The shop always keeps somebody who may run it: changes of who does wait for one another.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from sqlalchemy import String, cast, select
from sqlalchemy.orm import Session

from chassis.errors import Forbidden
from chassis.inbound import audit
from storage.database import serialise

from . import sessions
from .domain import OPERATOR, ROLES
from .errors import LastOperator, UserNotFound
from .models import User
from .service import Desk

DISABLED, ENABLED, ROLES_SET = "user.disabled", "user.enabled", "user.roles"

_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)

Change = Callable[[Session, User], object]


def get_user(desk: Desk, user_id: str) -> User:
    """Return a user.

    Raises:
        UserNotFound: there is none with this id.
    """
    with desk.database.read() as session:
        return _get(session, user_id)


def disable(desk: Desk, operator_id: str, user_id: str) -> User:
    """End all sessions of a user and let them begin none; safe to repeat.

    Raises:
        Forbidden: who asks is an operator no longer.
        UserNotFound: there is none with this id.
        LastOperator: nobody could run the shop any more.
    """

    def change(session: Session, user: User) -> None:
        keep_an_operator(session, user)
        user.disabled_at = user.disabled_at or desk.clock.now()
        sessions.end_all(session, user.id, desk.clock.now())

    return _change(desk, DISABLED, operator_id, user_id, change)


def enable(desk: Desk, operator_id: str, user_id: str) -> User:
    """Let a disabled user sign in again; safe to repeat.

    Raises:
        Forbidden: who asks is an operator no longer.
        UserNotFound: there is none with this id.
    """

    def change(_session: Session, user: User) -> None:
        user.disabled_at = None

    return _change(desk, ENABLED, operator_id, user_id, change)


def set_roles(desk: Desk, operator_id: str, user_id: str, roles: Iterable[str]) -> User:
    """Give a user these roles and no others; safe to repeat.

    Raises:
        Forbidden: who asks is an operator no longer.
        UserNotFound: there is none with this id.
        LastOperator: nobody could run the shop any more.
    """
    wanted: list[str] = [role for role in ROLES if role in set(roles)]

    def change(session: Session, user: User) -> None:
        if OPERATOR not in wanted:
            keep_an_operator(session, user)
        if set(user.roles) != set(wanted):
            user.roles = wanted
            sessions.renew_access(session, user.id, desk.clock.now())

    return _change(desk, ROLES_SET, operator_id, user_id, change, roles=wanted)


def keep_an_operator(session: Session, leaving: User) -> None:
    """Make sure that somebody who may sign in can run the shop without this user.

    The caller has named ``operators`` with ``serialise``: of two who leave at once, the second
    would be the last.

    Raises:
        LastOperator: there is nobody else.
    """
    is_operator = cast(User.roles, String).contains(f'"{OPERATOR}"')
    others = is_operator & User.disabled_at.is_(None) & (User.id != leaving.id)
    if is_acting(leaving) and session.scalar(select(User.id).where(others).limit(1)) is None:
        raise LastOperator


def is_acting(user: User | None) -> bool:
    """Tell whether somebody runs the shop at present."""
    return user is not None and OPERATOR in user.roles and user.disabled_at is None


def _change(
    desk: Desk, event: str, operator_id: str, user_id: str, change: Change, **details: Any
) -> User:
    noted: dict[str, Any] = {"user": operator_id, "subject": user_id, **details}
    try:
        with desk.database.write() as session:
            serialise(session, "operators")
            _require_acting(session, operator_id)
            user = _get(session, user_id, lock=True)
            change(session, user)
    except (LastOperator, Forbidden) as error:
        audit.record(event, "refused", reason=error.code, **noted)
        raise
    audit.record(event, "allowed", **noted)
    return user


def _require_acting(session: Session, user_id: str) -> None:
    # Their token may be older than the end of their role.
    if not is_acting(session.get(User, user_id)):
        raise Forbidden(f"This needs the role '{OPERATOR}'.")


def _get(session: Session, user_id: str, *, lock: bool = False) -> User:
    # Other texts may hold what databases can't compare.
    if not _ID.fullmatch(user_id):
        raise UserNotFound
    user = session.get(User, user_id, with_for_update=lock, populate_existing=lock)
    if user is None:
        raise UserNotFound
    return user
