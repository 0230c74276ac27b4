"""Keep what a library would import beside what is asked of it out of every process."""

import subprocess
import sys

PROGRAM = """
import sys
import chassis.outbound.breaker
print("redis" in sys.modules)
import redis
import chassis.outbound.breaker
print(redis.__name__)
"""


def test_breaker_does_not_import_redis_and_leaves_it_to_who_wants_it():
    printed = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True
    ).stdout

    assert printed.split() == ["False", "redis"]
