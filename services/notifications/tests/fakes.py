"""Stand in for accounts and a mail server, by the rules that the real ones keep."""

from chassis.errors import Unavailable
from services.notifications.domain import Recipient


class FakeAccounts:
    """Know some people; ``away`` has nobody answer."""

    def __init__(self):
        self.people = {}
        self.away = False

    def open(self, user_id, email, given_name=None, language=None, username=None):
        """Open an account, as a registration does; ``email`` is None where there is none."""
        self.people[user_id] = (email, given_name or username or user_id, language)

    def find(self, user_id):
        if self.away:
            raise Unavailable("Accounts is away.")
        person = self.people.get(user_id)
        return Recipient(*person) if person and person[0] else None


class FakePost:
    """Take mails, or raise ``error``."""

    def __init__(self):
        self.sent = []
        self.error = None

    def send(self, event, message):
        if self.error:
            raise self.error
        self.sent.append(message)
