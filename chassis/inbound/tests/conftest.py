"""Share what tests of the serving side need."""

import threading

import pytest


@pytest.fixture
def joined_threads():
    """Wait until the background threads of a name are done."""

    def join(name):
        for thread in threading.enumerate():
            if thread.name == name:
                thread.join(5)

    return join
