"""Read the settings of the orders service."""

import pytest

from chassis.config import ConfigError
from services.orders.config import Config


@pytest.mark.parametrize("address", ["http://127.0.0.1:8100", "https://events.example/"])
def test_subscriber_is_a_base_address(address):
    assert Config.from_environ({"NOTIFICATIONS_URL": address}).notifications_url == address


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8100/internal/events", "http://h/?a=1", "127.0.0.1:8100", "http:"]
)
def test_subscriber_with_a_path_is_refused_at_the_start(address):
    with pytest.raises(ConfigError, match=r"^NOTIFICATIONS_URL: expected an address"):
        Config.from_environ({"NOTIFICATIONS_URL": address})
