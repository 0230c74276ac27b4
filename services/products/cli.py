"""Offer what an operator does at the command line."""

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from chassis.errors import ServiceError

from . import service


@click.command("import-catalogue")
@with_appcontext
def import_catalogue() -> None:
    """Import the catalogue that PRODUCTS_SOURCE_URL names."""
    database, clients = current_app.extensions["database"], current_app.extensions["clients"]
    with click.progressbar(length=1, label="Importing products", show_pos=True) as bar:

        def progress(count: int, total: int) -> None:
            bar.length = max(total, 1)
            bar.update(count)

        try:
            report = service.import_catalogue(database, clients.source, progress)
        except ServiceError as error:
            raise click.ClickException(f"The import stopped: {error.detail}") from error
    for skipped in report.reasons:
        click.echo(f"skipped item {skipped['position']}: {skipped['errors']}", err=True)
    click.echo(f"{report.imported} imported, {report.updated} updated, {report.skipped} skipped")


def init_app(app: Flask) -> None:
    """Add the commands to ``flask --app services.products``."""
    app.cli.add_command(import_catalogue)
