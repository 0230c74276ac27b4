"""Leave a trail of what matters for security: what was tried, by whom, from where, and its outcome.

Pattern: Audit logging (Richardson, Microservices Patterns, 11.3.6).  The trail is the lines of the
logger ``audit``, whatever the log level is; time, service and request id are on every line anyway.
"""

import logging
from typing import Any

from flask import has_request_context, request

from chassis.inbound.sources import source_of

logger = logging.getLogger("audit")
logger.setLevel(logging.INFO)


def record(
    event: str, outcome: str, *, user: str | None = None, source: str | None = None, **details: Any
) -> None:
    """Note an event with its outcome.

    Args:
        event: what was tried, as two words with a dot, such as ``login.password``.
        outcome: one word, such as ``allowed`` or ``refused``.
        user: the id of who tried it, or of whose account it was tried at; never a name or an
            address as somebody typed it, because people type passwords into the wrong field.
        source: where it came from; None is the client of the request at hand.
        details: more of what is known; no secret.
    """
    if source is None and has_request_context():
        source = source_of(request)
    noted = {"event": event, "outcome": outcome, "user": user, "source": source, **details}
    logger.info("%s %s", event, outcome, extra=noted)
