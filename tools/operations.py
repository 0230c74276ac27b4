"""Show how the services of a running shop are doing: what is in flight, and what needs a hand.

::

    python -m tools.operations
    python -m tools.operations --json
    python -m tools.operations --retry orders <id of a dead letter>

It asks ``GET /internal/operations`` of each service that has something to watch.  Addresses come
from ``<SERVICE>_URL`` or from what the launcher keeps in ``<data>/run``, and it identifies itself
with a client secret of the shop: whoever may read that may look.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from chassis.config import Environ, data_dir, environment
from chassis.errors import NotFound, ServiceError
from chassis.outbound.client import ServiceClient
from chassis.outbound.service_tokens import service_tokens
from chassis.renewal import Renewed
from tools.measuring import show

WATCHED: Final = ("notifications", "orders", "payments", "products")
# The one whose secret opens the views of all of them.
CLIENT: Final = "orders"
PATIENCE_SECONDS: Final = 5.0


class ShopNotFound(Exception):
    """Report that an address or the secret is missing, and where it was looked for."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one look at the shop; return 1 when a service could not be asked."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.operations", description="Show how the services are doing."
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    parser.add_argument(
        "--retry", nargs=2, metavar=("SERVICE", "ID"), help="have a dead letter tried again"
    )
    options = parser.parse_args(arguments)
    try:
        if options.retry:
            show([retry(environment(), *options.retry)])
            return 0
        views = look(environment())
    except (ServiceError, ShopNotFound) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    show([json.dumps(views, indent=2)] if options.json else list(_tables(views)))
    return int(any("error" in view for view in views.values()))


def look(environ: Environ) -> dict[str, dict[str, Any]]:
    """Return what each service says, by its name; one that says nothing has just an ``error``.

    Raises:
        ShopNotFound: there is no shop to ask.
    """
    tokens = _tokens(environ)
    return {name: _ask(name, environ, tokens) for name in WATCHED}


def retry(environ: Environ, service: str, event_id: str) -> str:
    """Have a dead letter of a service tried again, and return a sentence about it.

    Raises:
        ServiceError: the service can't be asked.
        ShopNotFound: there is no shop to ask.
    """
    client = _client(service, address_of(service, environ), _tokens(environ))
    answer = client.post(f"/internal/dead-letters/{quote(event_id, safe='')}/retry")
    if answer.status >= 400:
        detail = answer.body.get("detail", f"{service} answered {answer.status}.")
        raise NotFound(detail)
    return f"{event_id} waits for delivery again."


def _tokens(environ: Environ) -> Renewed[str]:
    folder = data_dir(environ)
    secret = Path(environ.get("SHOP_SECRETS_DIR") or folder / "secrets") / CLIENT
    if not secret.is_file():
        raise ShopNotFound(f"There is no client secret {secret}: name the shop's SHOP_DATA_DIR.")
    issuer = ServiceClient(
        "auth", address_of("auth", environ), read_timeout=PATIENCE_SECONDS, max_concurrent=1
    )
    return service_tokens(issuer, CLIENT, lambda: secret.read_text("utf-8").strip())


def _client(service: str, address: str, tokens: Renewed[str]) -> ServiceClient:
    return ServiceClient(
        service, address, tokens=tokens, read_timeout=PATIENCE_SECONDS, max_concurrent=1
    )


def address_of(service: str, environ: Environ) -> str:
    """Return where a service listens.

    Raises:
        ShopNotFound: neither the environment nor the data folder says it.
    """
    variable = f"{service.upper()}_URL"
    if url := environ.get(variable):
        return url
    path = data_dir(environ) / "run" / f"{service}.json"
    if not path.is_file():
        raise ShopNotFound(f"{path} is missing: start the shop, or name {service} in {variable}.")
    return f"http://127.0.0.1:{json.loads(path.read_text('utf-8'))['port']}"


def _ask(service: str, environ: Environ, tokens: Renewed[str]) -> dict[str, Any]:
    address = "an unknown address"
    try:
        address = address_of(service, environ)
        answer = _client(service, address, tokens).get("/internal/operations")
    except (ServiceError, ShopNotFound) as error:
        return {"error": f"{service} at {address} can't be asked: {error}"}
    if answer.status != 200:
        detail = answer.body.get("detail", "")
        return {"error": f"{service} at {address} answered {answer.status}. {detail}".strip()}
    return answer.body


def _tables(views: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, view in views.items():
        yield name
        for label, value in _rows({k: v for k, v in view.items() if k != "service"}):
            yield f"  {label:<38}{value}".rstrip()
        yield ""


def _rows(value: Any, label: str = "") -> Iterator[tuple[str, str]]:
    """Yield a line for each value, and for each item of a list."""
    if isinstance(value, Mapping) and value:
        for name, part in value.items():
            # A breaker is its state.
            shorter = part["state"] if isinstance(part, Mapping) and [*part] == ["state"] else part
            yield from _rows(shorter, f"{label} {name.replace('_', ' ')}".strip())
    elif isinstance(value, list) and value:
        yield label, f"{len(value)}:"
        for item in value:
            yield "", _item(item)
    else:
        yield label, _plain(value)


def _item(item: Any) -> str:
    if not isinstance(item, Mapping):
        return _plain(item)
    return "  ".join(f"{name} {_plain(part)}" for name, part in item.items())


def _plain(value: Any) -> str:
    if value is None or value in ([], {}):
        return "none"
    return f"{value:.1f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
