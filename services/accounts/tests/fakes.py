"""Stand in for auth and a subscriber, by the rules that the real ones keep."""

import queue

from services.accounts.errors import LastOperator


class FakeUsers:
    """Erase people in memory, or raise ``error``."""

    def __init__(self, last_operator=None):
        self.last_operator = last_operator
        self.erased = []
        self.error = None

    def erase(self, user_id):
        if self.error:
            raise self.error
        if user_id == self.last_operator:
            raise LastOperator
        self.erased.append(user_id)


class FakeSubscriber:
    """Take events."""

    def __init__(self):
        self.taken = queue.Queue()

    def deliver(self, envelope):
        self.taken.put(envelope)

    def next(self):
        return self.taken.get(timeout=5)
