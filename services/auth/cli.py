"""Offer what an operator does at the command line."""

import click
from flask import Flask

from .passwords import PasswordHasher


@click.command("hash-password")
@click.password_option()
def hash_password(password: str) -> None:
    """Ask for a password and print the hash that goes into the users file."""
    click.echo(PasswordHasher().hash(password))


def init_app(app: Flask) -> None:
    """Add the commands to ``flask --app services.auth``."""
    app.cli.add_command(hash_password)
