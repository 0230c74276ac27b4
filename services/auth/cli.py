"""Offer what an operator does at the command line."""

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from chassis.errors import Unavailable

from .passwords import PasswordHasher


@click.command("hash-password")
@click.password_option()
def hash_password(password: str) -> None:
    """Ask for a password and print the hash that goes into the users file."""
    click.echo(PasswordHasher().hash(password))


@click.command("rotate-keys")
@click.option("--now", "at_once", is_flag=True, help="It signs at once, and all others are gone.")
@with_appcontext
def rotate_keys(*, at_once: bool) -> None:
    """Publish the next signing key, which signs when every service has it.

    With --now, for a key that leaked: tokens of the others are refused from then on, and services
    refuse those of the new one until they fetch it, for KEY_SET_SECONDS at most.
    """
    ring = current_app.extensions["desk"].key_ring
    try:
        key = ring.rotate(at_once=at_once)
    except Unavailable as error:
        raise click.ClickException(error.detail) from error
    click.echo(f"auth: key {key.key_id} signs from {ring.signs_at(key):%Y-%m-%dT%H:%M:%SZ}")


def init_app(app: Flask) -> None:
    """Add the commands to ``flask --app services.auth``."""
    app.cli.add_command(hash_password)
    app.cli.add_command(rotate_keys)
