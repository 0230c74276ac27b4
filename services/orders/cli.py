"""Show an operator how the running service is doing.

::

    python -m services.orders.cli operations
    python -m services.orders.cli retry <id of a dead letter>

It identifies itself as the service does, with the client secret in ``SHOP_SECRETS_DIR``: whoever
may read that may look.
"""

import json
from uuid import UUID

import click

from chassis.errors import ServiceError
from chassis.outbound.client import Answer, ServiceClient
from chassis.outbound.service_tokens import service_tokens

from .config import Config


@click.group()
def main() -> None:
    """Operate the orders service."""


@main.command()
def operations() -> None:
    """Print unfinished orders, waiting events, dead letters and breakers as JSON."""
    click.echo(json.dumps(_call("GET", "/internal/operations").body, indent=2))


@main.command()
@click.argument("event_id", type=click.UUID)
def retry(event_id: UUID) -> None:
    """Have a dead letter delivered after all."""
    _call("POST", f"/internal/dead-letters/{event_id}/retry")
    click.echo(f"{event_id} waits for delivery again.")


def _call(method: str, path: str) -> Answer:
    config = Config.from_environ()
    auth = ServiceClient("auth", config.auth_url)
    tokens = service_tokens(auth, config.service, config.client_secret)
    try:
        answer = ServiceClient(config.service, config.own_url, tokens=tokens).request(method, path)
    except ServiceError as error:
        raise click.ClickException(error.detail) from error
    if answer.status >= 400:
        detail = answer.body.get("detail", f"The service answered {answer.status}.")
        raise click.ClickException(detail)
    return answer


if __name__ == "__main__":
    main()
