"""Write a new revision of a service's tables: what its models say and its revisions do not yet.

::

    python -m tools.migration orders "Count the gifts"

The file is a proposal: read it, and add what no comparison can know, such as data to move.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from sqlalchemy import MetaData

from storage.database import Database, Timestamp
from storage.schema import migrate

ROOT: Final = Path(__file__).parent.parent
TEMPLATE: Final = '''\
"""{message}."""

import sqlalchemy as sa
from alembic import op

revision = "{service}_{number:04}"
down_revision = {previous}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables here from the revision before."""
    {up}


def downgrade() -> None:
    """Go back to the revision before."""
    {down}
'''


class NothingDiffers(Exception):
    """Report that the revisions say already what the models say."""


def folder_of(service: str) -> Path:
    """Return where the revisions of a service are."""
    return ROOT / "services" / service / "migrations"


def write_revision(service: str, message: str, folder: Path) -> Path:
    """Write the next revision of a service and return its file.

    Raises:
        NothingDiffers: there is nothing to write.
    """
    number = len(list(folder.glob("[0-9]*.py"))) + 1
    previous = f'"{service}_{number - 1:04}"' if number > 1 else "None"
    metadata = import_module(f"services.{service}.models").Base.metadata
    up, down = _steps(service, metadata, folder, number - 1)
    if up == "pass":
        raise NothingDiffers(f"Nothing differs: {service}_{number - 1:04} has what the models say.")
    words = "".join(c if c.isalnum() else " " for c in message.lower()).split()
    path = folder / f"{number:04}_{'_'.join(words)}.py"
    text = TEMPLATE.format(
        message=message.rstrip("."),
        service=service,
        number=number,
        previous=previous,
        up=up,
        down=down,
    )
    path.write_text(text, "utf-8")
    return path


def _steps(service: str, metadata: MetaData, folder: Path, present: int) -> tuple[str, str]:
    """Return the statements that lead from the revisions to the models, and back."""
    with tempfile.TemporaryDirectory() as scratch:
        database = Database(f"sqlite:///{scratch}/scratch.sqlite3")
        with database.change_schema() as connection:
            if present:
                migrate(connection, folder, f"{service}_{present:04}")
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            script = produce_migrations(context, metadata)
            parts = [script.upgrade_ops, script.downgrade_ops]
            up, down = [
                render_python_code(part, render_as_batch=True, render_item=_plain)
                for part in parts
                if part
            ]
        database.close()
    return _without_banners(up), _without_banners(down)


def _without_banners(code: str) -> str:
    return "\n".join(line for line in code.splitlines() if "# ###" not in line).strip()


def _plain(kind: str, item: Any, _context: object) -> str | Literal[False]:
    """Write our own type as what it is in the database, so that revisions stand on their own."""
    is_ours = kind == "type" and isinstance(item, Timestamp)
    return "sa.DateTime(timezone=True)" if is_ours else False


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.migration", description="Add a revision")
    parser.add_argument("service", help="the service whose models have changed")
    parser.add_argument("message", help="what the revision does, in a few words")
    options = parser.parse_args(arguments)
    known = sorted(path.parent.name for path in ROOT.glob("services/*/migrations"))
    if options.service not in known or not options.message.strip():
        parser.error(f'expected SERVICE=… (one of {", ".join(known)}) and MESSAGE="…"')
    try:
        path = write_revision(options.service, options.message, folder_of(options.service))
    except NothingDiffers as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"Wrote {path.relative_to(ROOT)}: read it before you trust it.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
