"""Hold the tables of settings against the settings that the code reads."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chassis.config import ConfigError, ServiceConfig, Settings
from chassis.inbound.serving import ServingConfig
from contracts.topology import PORT_OFFSETS
from gateway.config import Config as GatewayConfig
from launcher.config import LauncherConfig
from tests.docs.pages import ROOT, rows, sections, text_of

COMMON = "docs/architecture.md"
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("[a-z]*/config.py"))


def config_of(service: str) -> type[Settings]:
    config: type[Settings] = importlib.import_module(f"services.{service}.config").Config
    return config


def variables(config: type[Settings]) -> dict[str, Any]:
    """Return the default of each variable, in an environment without any."""
    defaults = {field.metadata["variable"]: field.metadata for field in config.settings()}
    return {name: shown(_default(metadata["default"])) for name, metadata in defaults.items()}


def _default(default: Any) -> Any:
    return default({}) if callable(default) else default


def shown(value: Any) -> str:
    """Return a default as a table shows it; paths are relative, and lists have just commas."""
    if isinstance(value, Path):
        return value.relative_to(ROOT).as_posix() if value.is_absolute() else value.as_posix()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "" if value is None else str(value)


def documented(page: str, heading: str = "Settings") -> dict[str, str]:
    """Return what a page's table of settings gives as default of each variable.

    The first code is the value, and words around it explain it; words alone stand for nothing, as
    in "the bundled file".
    """
    table = rows(sections(text_of(page), 2)[heading], "variable", "default", "meaning")
    return {
        variable.strip("`"): _written(default) for variable, default, meaning in table if meaning
    }


def _written(cell: str) -> str:
    value = re.search(r"`([^`]+)`|^([\d.]+)", cell)
    return (value[1] or value[2]).replace("<data>", "var").replace(", ", ",") if value else ""


CASES: dict[str, tuple[type[Settings], str, str]] = {
    "every service": (ServiceConfig, COMMON, "Settings that every service has"),
    "serving": (ServingConfig, COMMON, "Serving"),
    "gateway": (GatewayConfig, "gateway/README.md", "Settings"),
    "launcher": (LauncherConfig, "launcher/README.md", "Settings"),
    **{
        service: (config_of(service), f"services/{service}/README.md", "Settings")
        for service in SERVICES
    },
}


@pytest.mark.parametrize("name", CASES)
def test_each_setting_is_documented_with_its_default_and_no_other_is(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    config, page, heading = CASES[name]
    is_service = issubclass(config, ServiceConfig) and config is not ServiceConfig
    common = variables(ServiceConfig) if is_service else {}
    own = {name: default for name, default in variables(config).items() if name not in common}

    assert documented(page, heading) == own


def test_every_class_of_settings_is_checked():
    made_by_tests = {kind for kind in kinds(Settings) if "tests" in kind.__module__.split(".")}

    assert {*kinds(Settings)} - made_by_tests == {config for config, _, _ in CASES.values()}


def kinds(config: type[Settings]) -> Iterator[type[Settings]]:
    for derived in config.__subclasses__():
        yield derived
        yield from kinds(derived)


def test_ports_in_the_readme_are_those_of_the_topology():
    table = rows(text_of("README.md"), "folder", "what it owns", "port")
    ports = {re.sub(r"^\[(?:services/)?(\w+)\].*", r"\1", cell): port for cell, _, port in table}

    expected = {service: str(8000 + PORT_OFFSETS[service]) for service in ["gateway", *SERVICES]}
    assert {name: port for name, port in ports.items() if port.isdigit()} == expected


@pytest.mark.parametrize("service", SERVICES)
def test_database_of_another_kind_is_refused_by_the_name_of_its_setting(service):
    config = config_of(service)
    names = [name for name in variables(config) if name.endswith("_DATABASE_URL")]

    for name in names:
        with pytest.raises(ConfigError, match=f"^{name}: expected"):
            config.from_environ({name: "mysql://shop:secret@db/shop"})
