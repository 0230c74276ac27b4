"""Open the whole shop in one process for the tests of this folder."""

import pytest

from tests.system.whole_shop import whole_shop


@pytest.fixture
def shop(tmp_path):
    with whole_shop(tmp_path) as shop:
        yield shop
