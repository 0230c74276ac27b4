"""Do something once for an idempotency key, and give the same answer to each repetition."""

from collections.abc import Callable
from datetime import datetime, timedelta

from chassis.clock import Clock
from chassis.errors import ServiceError
from storage import idempotency
from storage.database import Database, repeat_on_collision
from storage.idempotency import InProgress, Request, StoredAnswer

from .models import IdempotencyRecord

# After this long without an answer the first attempt is taken to have died; longer than any
# request may last.
ATTEMPT_SECONDS = 15
# The subject of a record whose request was let through.
ALLOWED = "allowed"

Refuse = Callable[[], StoredAnswer | None]
"""Look whether the request is allowed; return the refusal, or None."""


def run_once(
    database: Database,
    request: Request,
    work: Callable[[], StoredAnswer],
    clock: Clock,
    refuse: Refuse = lambda: None,
) -> tuple[StoredAnswer, bool]:
    """Do something once; return its answer, and whether that was stored before.

    ``work`` runs outside of any transaction and has to be safe to repeat, because a process may
    die in the middle of it.  An error that it raises is not remembered; a refusal that should
    be is an answer.

    ``refuse`` is asked before, until it once lets the request through.  A repetition is not asked
    about again: the first attempt may have changed what the refusal is decided by.

    Raises:
        InProgress: the first request is still running.
        IdempotencyKeyReused: the key came with another body before.
    """
    # Of two at the same moment the second one finds what the first has begun.
    stored, allowed = repeat_on_collision(lambda: _begin(database, request, clock.now()))
    if stored:
        return stored, True
    answer = None
    try:
        if not allowed:
            answer = refuse()
        if answer is None:
            _allow(database, request)
            allowed = True
            answer = work()
    except ServiceError:
        if allowed:
            _free(database, request, clock.now())
        else:
            _forget(database, request)
        raise
    with database.write() as session:
        key = (request.owner, request.key)
        idempotency.complete(session, IdempotencyRecord, key, answer)
    return answer, False


def _begin(database: Database, request: Request, now: datetime) -> tuple[StoredAnswer | None, bool]:
    """Return the stored answer, and whether an earlier attempt was let through."""
    with database.write() as session:
        record = idempotency.find(session, IdempotencyRecord, request, lock=True)
        if record is None:
            idempotency.claim(session, IdempotencyRecord, request, "", now)
            return None, False
        stored = idempotency.answer_of(record)
        if stored is None:
            if (now - record.created_at).total_seconds() < ATTEMPT_SECONDS:
                raise InProgress("Wait for the answer to the first request with this key.")
            record.created_at = now
        return stored, record.subject == ALLOWED


def _forget(database: Database, request: Request) -> None:
    with database.write() as session:
        record = idempotency.find(session, IdempotencyRecord, request)
        if record is not None:
            session.delete(record)


def _allow(database: Database, request: Request) -> None:
    with database.write() as session:
        record = idempotency.find(session, IdempotencyRecord, request)
        if record is not None:
            record.subject = ALLOWED


def _free(database: Database, request: Request, now: datetime) -> None:
    """Let the next attempt begin at once."""
    with database.write() as session:
        record = idempotency.find(session, IdempotencyRecord, request)
        if record is not None:
            record.created_at = now - timedelta(seconds=ATTEMPT_SECONDS)
