"""Authorise, capture and refund payments, and keep the books about them."""

from .app import create_app

__all__ = ["create_app"]
