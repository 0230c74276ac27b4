"""Stand in for accounts, by the rules that the real one keeps."""


class FakeAccounts:
    """Know people by their ids, or raise ``error``."""

    def __init__(self):
        self.people = {}
        self.error = None

    def find_person(self, user_id):
        if self.error:
            raise self.error
        return self.people.get(user_id)
