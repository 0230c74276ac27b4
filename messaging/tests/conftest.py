"""Call neighbours as the tests of outgoing calls do."""

from chassis.outbound.tests.conftest import start_callee

__all__ = ["start_callee"]
