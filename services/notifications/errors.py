"""Name what can go wrong with mails."""

from chassis.errors import EventRefused


class UnusableAddress(EventRefused):
    """Report that no mail can be sent to what somebody gave as their address."""
