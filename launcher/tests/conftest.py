"""Give each test a folder of stub services, and stop the launchers that it starts."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from launcher.tests.running import STUB, STUB_GATEWAY, RunningShop


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Lay out stubs of the gateway and three services."""
    for package in ("gateway", "services"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    for name in ("auth", "products", "greetings"):
        (tmp_path / "services" / name).mkdir()
        (tmp_path / "services" / name / "__init__.py").write_text(STUB)
    (tmp_path / "gateway" / "__main__.py").write_text(STUB_GATEWAY)
    return tmp_path


@pytest.fixture(autouse=True)
def _heeded_hangup() -> Iterator[None]:
    """Undo what `nohup` does for whatever it starts, the tests included."""
    usual = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, usual)


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., RunningShop]]:
    """Start launchers, which are stopped at the end of the test."""
    shops: list[RunningShop] = []

    def start_one(*arguments: str, products: str = STUB, **options: Any) -> RunningShop:
        (folder / "services" / "products" / "__init__.py").write_text(products)
        shops.append(RunningShop(folder, *arguments, **options))
        return shops[-1]

    yield start_one
    for shop in shops:
        shop.end()
