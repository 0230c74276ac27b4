"""Keep carts, take orders and see each one through to its end."""

from .app import create_app

__all__ = ["create_app"]
