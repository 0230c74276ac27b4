"""Ask again and again whether a service can serve."""

import pytest

from chassis.config import ServiceConfig
from chassis.errors import Unavailable
from chassis.inbound.app import create_flask
from chassis.inbound.health import add_readiness_check


@pytest.fixture
def reasons():
    """Return why the service can't serve now; an empty list means that it can."""
    return []


@pytest.fixture
def ask(tmp_path, reasons):
    app = create_flask("service", ServiceConfig.from_environ({"SHOP_DATA_DIR": str(tmp_path)}))

    def check():
        if reasons:
            raise Unavailable(reasons[-1])

    add_readiness_check(app, "database", check)
    return lambda: app.test_client().get("/readyz").status_code


def test_each_reason_is_logged_once_until_it_changes(ask, reasons, tmp_path):
    for reason in ("It is away.", "It is away.", "It is full.", None, "It is full."):
        reasons[:] = [reason] if reason else []
        assert ask() == (503 if reason else 200)

    logged = (tmp_path / "log/service.jsonl").read_text()
    assert [logged.count(reason) for reason in ("It is away.", "It is full.")] == [1, 2]
