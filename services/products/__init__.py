"""Keep the catalogue and the stock, and hold goods back for orders."""

from .app import create_app

__all__ = ["create_app"]
