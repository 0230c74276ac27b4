"""Wait for what goes on in the background."""

import threading


def join_threads(name: str) -> None:
    """Wait until the threads of a name are done."""
    for thread in threading.enumerate():
        if thread.name == name:
            thread.join(5)
