"""Open the whole shop once for all matrices; they only ever look at what they made."""

from collections.abc import Iterator

import pytest

from tests.security.world import World
from tests.system.whole_shop import whole_shop


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("security")
    with whole_shop(folder, LOG_LEVEL="ERROR") as shop:
        yield World(shop, folder)
