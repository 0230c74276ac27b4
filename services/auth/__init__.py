"""Check who people and services are, and sign the tokens that say so."""

from .app import create_app

__all__ = ["create_app"]
