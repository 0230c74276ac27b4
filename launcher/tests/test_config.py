"""Test the launcher's own settings."""

from pathlib import Path

import pytest

from chassis.config import ConfigError
from launcher.config import HIGHEST_BASE_PORT, LauncherConfig


def test_everything_has_a_default():
    config = LauncherConfig.from_environ({})

    assert (config.host, config.port) == ("127.0.0.1", 8000)
    assert (config.data_dir, config.secrets_dir) == (Path("var"), Path("var/secrets"))


def test_secrets_follow_the_data_folder_unless_put_elsewhere():
    beside = LauncherConfig.from_environ({"SHOP_DATA_DIR": "data"})
    elsewhere = LauncherConfig.from_environ({"SHOP_DATA_DIR": "data", "SHOP_SECRETS_DIR": "keys"})

    assert beside.secrets_dir == Path("data/secrets")
    assert elsewhere.secrets_dir == Path("keys")


@pytest.mark.parametrize("port", ["eighty", "-1", "1.5", "٨٠٠٠", str(HIGHEST_BASE_PORT + 1)])
def test_a_port_that_leaves_no_room_for_the_services_is_refused(port):
    with pytest.raises(ConfigError, match=r"PORT: .* is no whole number from 0 to"):
        LauncherConfig.from_environ({"PORT": port})
