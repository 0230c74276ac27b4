"""Read the file that names the users of the first start."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from chassis.config import ConfigError
from chassis.errors import ServiceError
from chassis.inbound.api import Schema, Text
from chassis.inbound.bodies import parse_json

from .domain import CUSTOMER, MAX_PASSWORD_LENGTH, ROLES, folded
from .fields import MailAddress, Username, matches

ARGON2ID = re.compile(r"\$argon2id\$\S+")


@dataclass(frozen=True)
class Entry:
    """Hold one user of the file, with either the hash of the password or the plain one."""

    username: str
    email: str | None
    roles: list[str]
    password_hash: str | None
    password: str | None


class EntrySchema(Schema):
    """Describe an entry; an ``id``, as articles have it, is passed over: the shop gives its own."""

    id = fields.Raw()
    username = Username(required=True)
    email = MailAddress(load_default=None, allow_none=True)
    roles = fields.List(
        fields.String(validate=validate.OneOf(ROLES)), load_default=lambda: [CUSTOMER]
    )
    password_hash = Text(load_default=None, also=[matches(ARGON2ID, "an argon2id hash")])
    password = Text(load_default=None, minimum=1, maximum=MAX_PASSWORD_LENGTH)

    @validates_schema
    def check_password(self, data: dict[str, Any], **_: Any) -> None:
        """Ask for one form of the password."""
        if (data["password"] is None) == (data["password_hash"] is None):
            raise ValidationError("Expected either 'password_hash' or 'password'.")

    @post_load
    def make_entry(self, data: dict[str, Any], **_: Any) -> Entry:
        """Return the entry as an object."""
        data.pop("id", None)
        return Entry(**data)


def read_users_file(path: Path) -> list[Entry]:
    """Return the entries of a users file.

    Raises:
        ConfigError: naming the file, and each entry that can't be used.
    """
    document = _read_json(path)
    try:
        entries: list[Entry] = EntrySchema(many=True).load(document)
    except ValidationError as error:
        by_index = cast("dict[int, Any]", error.messages)
        named = [f"{label(i, document[i])}: {messages}" for i, messages in by_index.items()]
        raise unusable(path, *named) from error
    if repeated := _repeated(entries):
        raise unusable(path, *repeated)
    return entries


def label(index: int, entry: Any) -> str:
    """Return how a message calls an entry: by its place, counted from 1, and its user name."""
    name = entry.get("username") if isinstance(entry, dict) else getattr(entry, "username", None)
    return f"entry {index + 1} ({name or 'without a name'})"


def unusable(path: Path, *reasons: str) -> ConfigError:
    """Return the error that says what is wrong with the file, one reason a line."""
    return ConfigError("\n".join(f"AUTH_USERS_FILE: {path}: {reason}" for reason in reasons))


def _read_json(path: Path) -> list[Any]:
    try:
        document = parse_json(path.read_bytes())
    except OSError as error:
        raise unusable(path, f"it can't be read ({error.strerror})") from error
    except ServiceError as error:
        raise unusable(path, error.detail) from error
    if not isinstance(document, list):
        raise unusable(path, "expected a JSON array of users")
    return document


def _repeated(entries: list[Entry]) -> list[str]:
    seen: set[tuple[str, str]] = set()
    wrong = []
    for index, entry in enumerate(entries):
        names = {("username", folded(entry.username)), ("email", folded(entry.email or ""))}
        names.discard(("email", ""))
        wrong += [
            f"{label(index, entry)}: another entry has the same {kind}"
            for kind, _ in sorted(names & seen)
        ]
        seen |= names
    return wrong
