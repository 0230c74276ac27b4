"""Read settings from the environment once, into frozen objects.

Pattern: Externalized configuration (Richardson, Microservices Patterns, 11.2).

Precedence, lowest first: defaults, the file ``shop.env`` in the working folder, the environment.
Everything missing or wrong is named in one message, so that an operator mends it in one go.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from click import ClickException
from dotenv import dotenv_values

Environ = Mapping[str, str]
Default = str | int | float | bool | None | Callable[[Environ], object]

SETTINGS_FILE = "shop.env"
EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h: a supervisor should not restart.


class ConfigError(ClickException):
    """Name every setting that is missing or wrong, one a line.

    Every ``flask`` command shows it so, without a traceback, and ends with ``EXIT_CONFIG``.
    """

    exit_code = EXIT_CONFIG


class Secret(str):
    """Behave as text, but never show it in a representation or a log of one."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return a mask."""
        return "Secret('***')"


def words(text: str) -> tuple[str, ...]:
    """Split a comma-separated list, dropping blanks."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def positive(text: str) -> float:
    """Read a number of seconds above zero.

    Raises:
        ValueError: when it is no number or not above zero.
    """
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError("expected a number above 0")
    return number


def one_of(*choices: str) -> Callable[[str], str]:
    """Return a reader that accepts just the given words."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}")
        return text

    return read


def setting(
    variable: str, *, default: Default, parse: Callable[[str], object] = str, doc: str
) -> Any:
    """Declare one setting of a configuration class.

    Args:
        variable: the environment variable.
        default: the value when it is unset, or a function of the environment that gives it.
        parse: reads the text; a ``ValueError`` from it becomes part of the ``ConfigError``.
        doc: one line for the settings table, with the unit.
    """
    return field(metadata={"variable": variable, "default": default, "parse": parse, "doc": doc})


def seconds(variable: str, *, default: float, doc: str) -> Any:
    """Declare a setting that is a number of seconds above zero."""
    return setting(variable, default=default, parse=positive, doc=doc)


def environment() -> dict[str, str]:
    """Return the process environment laid over the settings file."""
    stored = {name: value for name, value in dotenv_values(SETTINGS_FILE).items() if value}
    return {**stored, **os.environ}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Build a frozen object from the environment; subclasses declare fields with ``setting``."""

    @classmethod
    def from_environ(cls, environ: Environ | None = None) -> Self:
        """Read every setting of the class.

        Raises:
            ConfigError: naming each setting that can't be used.
        """
        source = environment() if environ is None else environ
        values: dict[str, object] = {}
        wrong: list[str] = []
        for item in cls.settings():
            try:
                values[item.name] = _value_of(item, source)
            except ValueError as error:
                wrong.append(f"{item.metadata['variable']}: {error}")
        if wrong:
            raise ConfigError("\n".join(wrong))
        config = cls(**values)
        if problems := list(config.problems()):
            raise ConfigError("\n".join(problems))
        return config

    @classmethod
    def settings(cls) -> list[Field[Any]]:
        """Return the declared settings, in order."""
        return [item for item in fields(cls) if "variable" in item.metadata]

    def problems(self) -> list[str]:
        """Return what makes this combination of settings unusable, one sentence each."""
        return []


def _value_of(item: Field[Any], environ: Environ) -> object:
    parse: Callable[[str], object] = item.metadata["parse"]
    if text := environ.get(item.metadata["variable"]):
        return parse(text)
    default = item.metadata["default"]
    return default(environ) if callable(default) else default


def data_dir(environ: Environ) -> Path:
    """Return the folder for everything that must survive a restart."""
    return Path(environ.get("SHOP_DATA_DIR") or "var")


@dataclass(frozen=True, kw_only=True)
class ServiceConfig(Settings):
    """Hold what every service needs to know, whatever it does."""

    service = "service"

    environment: str = setting(
        "SHOP_ENV",
        default="development",
        parse=one_of("development", "production"),
        doc="`production` refuses default secrets, demo users and plain-HTTP cookies",
    )
    migrate: str = setting(
        "SHOP_MIGRATE", default="", doc="`auto` changes tables at the start in production as well"
    )
    data_dir: Path = setting(
        "SHOP_DATA_DIR", default=data_dir, parse=Path, doc="folder of embedded databases and logs"
    )
    secrets_dir: Path = setting(
        "SHOP_SECRETS_DIR",
        default=lambda environ: data_dir(environ) / "secrets",
        parse=Path,
        doc="folder with one client secret a file",
    )
    log_level: str = setting(
        "LOG_LEVEL",
        default="INFO",
        parse=one_of("DEBUG", "INFO", "WARNING", "ERROR"),
        doc="least severe level that is logged",
    )
    log_config: str = setting(
        "LOG_CONFIG", default="", doc="logging configuration file (JSON) instead of the bundled one"
    )
    issuer: str = setting("SHOP_ISSUER", default="potion-shop", doc="`iss` of accepted tokens")
    key_set_seconds: float = seconds("KEY_SET_SECONDS", default=300.0, doc="life of the key set")
    key_set_stale_seconds: float = seconds(
        "KEY_SET_STALE_SECONDS", default=3600.0, doc="its longest life while `auth` is away"
    )
    revocation_seconds: float = seconds(
        "REVOCATION_SECONDS", default=2.0, doc="age at which the list of revoked access is renewed"
    )
    breaker_open_seconds: float = seconds(
        "BREAKER_OPEN_SECONDS", default=5.0, doc="first open time of a breaker"
    )
    crash_point: str = setting(
        "CRASH_POINT", default="", doc="where a test has the process die; production refuses it"
    )

    @property
    def production(self) -> bool:
        """Tell whether the strict rules of production hold."""
        return self.environment == "production"

    def problems(self) -> list[str]:
        """Refuse to die on purpose in production."""
        return ["CRASH_POINT: only for tests"] if self.production and self.crash_point else []

    def client_secret(self) -> Secret:
        """Read this service's own client secret, empty when there is none."""
        path = self.secrets_dir / self.service
        return Secret(path.read_text().strip() if path.is_file() else "")
