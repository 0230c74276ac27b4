"""Send mails about what other services tell: accounts that were opened, and orders."""

from .app import create_app

__all__ = ["create_app"]
