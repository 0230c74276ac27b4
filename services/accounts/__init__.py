"""Keep what is known of people beyond what they sign in with."""

from .app import create_app

__all__ = ["create_app"]
