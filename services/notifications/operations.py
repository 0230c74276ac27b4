"""Show operators how the service is doing, and have dead letters tried again."""

from typing import Any

from messaging.backlog import backlog, retry

from .models import Mail
from .service import PostOffice


def overview(office: PostOffice) -> dict[str, Any]:
    """Return which mails wait, which were given up, and the states of the breakers."""
    breakers = office.clients.breakers
    with office.database.read() as session:
        return {
            "service": "notifications",
            "breakers": {name: {"state": guard.state} for name, guard in breakers.items()},
            **backlog(session, Mail, office.clock.now()),
        }


def retry_dead_letter(office: PostOffice, event_id: str) -> None:
    """Have a mail sent as if its event were new.

    Raises:
        NotFound: there is no dead letter with this id.
    """
    with office.database.write() as session:
        retry(session, Mail, event_id, office.clock.now())
    office.wake()
