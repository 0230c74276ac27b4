"""Write the OpenAPI documents of all services, and the one of the whole shop, from their code.

::

    python -m tools.openapi            write contracts/openapi/
    python -m tools.openapi --check    tell which files there are not what the code says

``<service>.json`` is what the service itself serves.  ``gateway.json`` joins them for the public:
it holds just the operations that the gateway's route table lets through, and the gateway serves it.
"""

import argparse
import importlib
import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from chassis.errors import ServiceError
from gateway.routes import ROUTES, RouteTable

Document = dict[str, Any]

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = ROOT / "contracts" / "openapi"
WHOLE: Final = "gateway"
METHODS: Final = frozenset({"get", "post", "put", "patch", "delete"})

# Two services may each have a schema of one name, but both mean the same by "bearer".
_REFERENCE = re.compile(r'"#/components/(?!securitySchemes)(\w+)/')


def services(root: Path = ROOT) -> list[str]:
    """Return the names of the services that this checkout holds."""
    return sorted(path.parent.name for path in root.glob("services/*/app.py"))


def document_of(service: str, data_dir: Path) -> Document:
    """Return what a service says of itself, made with an empty data folder."""
    config_class = importlib.import_module(f"services.{service}.config").Config
    config = config_class.from_environ({"SHOP_DATA_DIR": str(data_dir), "LOG_LEVEL": "ERROR"})
    app = importlib.import_module(f"services.{service}").create_app(config)
    document: Document = app.test_client().get("/openapi.json").get_json()
    # Its folder is about to be deleted.
    for chore in app.extensions.get("background", ()):
        chore.stop()
    return document


def join(documents: Mapping[str, Document], routes: RouteTable) -> Document:
    """Return one document with the operations that the gateway lets through."""
    whole: Document = {
        "openapi": "3.1.0",
        "info": {"title": "Potion Shop", "version": "v1"},
        "tags": [],
        "paths": {},
        "components": {},
    }
    for service, document in documents.items():
        _add(whole, service, document, routes)
    return whole


def _add(whole: Document, service: str, document: Document, routes: RouteTable) -> None:
    renamed = _REFERENCE.sub(rf'"#/components/\1/{service}.', json.dumps(document))
    document = json.loads(renamed)
    whole["tags"].append({"name": service})
    for path, item in document["paths"].items():
        public = {key: part for key, part in item.items() if _is_public(routes, path, key)}
        operations = [public[method] for method in METHODS & public.keys()]
        for operation in operations:
            operation["tags"] = [service]
        if operations:
            whole["paths"][path] = public
    for kind, parts in document.get("components", {}).items():
        prefix = "" if kind == "securitySchemes" else f"{service}."
        joined = whole["components"].setdefault(kind, {})
        joined.update({f"{prefix}{name}": part for name, part in parts.items()})


def _is_public(routes: RouteTable, path: str, key: str) -> bool:
    """Tell whether a member of a path item is shown; what is no operation belongs to all."""
    if key not in METHODS:
        return True
    try:
        routes.match(path, key.upper())
    except ServiceError:
        return False
    return True


def render() -> dict[Path, str]:
    """Return what each file should hold."""
    # A service may still write to its folder while it goes away.
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        documents = {name: document_of(name, Path(folder) / name) for name in services()}
    documents[WHOLE] = join(documents, RouteTable(ROUTES))
    return {
        FOLDER / f"{name}.json": json.dumps(document, indent=1, ensure_ascii=False) + "\n"
        for name, document in documents.items()
    }


def faults(texts: Mapping[Path, str]) -> list[str]:
    """Return one sentence for each file that does not hold what it should."""
    return [
        f"{path.relative_to(ROOT)} is out of date: run make openapi."
        for path, text in texts.items()
        if not path.is_file() or path.read_text("utf-8") != text
    ]


def main(arguments: Iterable[str] | None = None) -> int:
    """Write or compare, and return the exit status."""
    parser = argparse.ArgumentParser(prog="tools.openapi", description="Write contracts/openapi/.")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    options = parser.parse_args(None if arguments is None else list(arguments))
    texts = render()
    if options.check:
        found = faults(texts)
        sys.stderr.writelines(f"{fault}\n" for fault in found)
        return 1 if found else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        path.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
