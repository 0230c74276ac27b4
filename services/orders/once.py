"""Do something once for an idempotency key, and give the same answer to each repetition."""

from collections.abc import Callable
from datetime import datetime

from chassis.clock import Clock
from chassis.errors import ServiceError
from storage import idempotency
from storage.database import Database, repeat_on_collision
from storage.idempotency import InProgress, Request, StoredAnswer

from .models import IdempotencyRecord

# After this long without an answer the first attempt is taken to have died; longer than any
# request may last.
ATTEMPT_SECONDS = 15


def run_once(
    database: Database, request: Request, work: Callable[[], StoredAnswer], clock: Clock
) -> tuple[StoredAnswer, bool]:
    """Do something once; return its answer, and whether that was stored before.

    ``work`` runs outside of any transaction and has to be safe to repeat, because a process may
    die in the middle of it.  An error that it raises is not remembered; a refusal that should
    be is an answer.

    Raises:
        InProgress: the first request is still running.
        IdempotencyKeyReused: the key came with another body before.
    """
    # Of two at the same moment the second one finds what the first has begun.
    stored = repeat_on_collision(lambda: _begin(database, request, clock.now()))
    if stored:
        return stored, True
    try:
        answer = work()
    except ServiceError:
        _forget(database, request)
        raise
    with database.write() as session:
        key = (request.owner, request.key)
        idempotency.complete(session, IdempotencyRecord, key, answer)
    return answer, False


def _begin(database: Database, request: Request, now: datetime) -> StoredAnswer | None:
    with database.write() as session:
        record = idempotency.find(session, IdempotencyRecord, request, lock=True)
        if record is None:
            idempotency.claim(session, IdempotencyRecord, request, "", now)
            return None
        stored = idempotency.answer_of(record)
        if stored is None:
            if (now - record.created_at).total_seconds() < ATTEMPT_SECONDS:
                raise InProgress("Wait for the answer to the first request with this key.")
            record.created_at = now
        return stored


def _forget(database: Database, request: Request) -> None:
    with database.write() as session:
        record = idempotency.find(session, IdempotencyRecord, request)
        if record is not None:
            session.delete(record)
