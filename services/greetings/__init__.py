"""Greet people in many languages; the smallest complete service, and the one to copy."""

from .app import create_app

__all__ = ["create_app"]
