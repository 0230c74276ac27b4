import pytest

from chassis.config import ConfigError
from services.payments.config import DEVELOPMENT_WEBHOOK_SECRET, MIN_SECRET_LENGTH, Config

PRODUCTION = {"SHOP_ENV": "production"}


def test_everything_has_a_default_in_development(tmp_path):
    config = Config.from_environ({"SHOP_DATA_DIR": str(tmp_path)})

    assert config.database_url == f"sqlite:///{tmp_path}/payments.sqlite3"
    assert config.provider_database_url == f"sqlite:///{tmp_path}/provider.sqlite3"
    assert config.webhook_secret == DEVELOPMENT_WEBHOOK_SECRET


@pytest.mark.parametrize("secret", ["", DEVELOPMENT_WEBHOOK_SECRET, "s" * (MIN_SECRET_LENGTH - 1)])
def test_production_refuses_a_webhook_secret_that_is_known_or_short(secret):
    with pytest.raises(ConfigError, match="PAYMENTS_WEBHOOK_SECRET"):
        Config.from_environ({**PRODUCTION, "PAYMENTS_WEBHOOK_SECRET": secret})


def test_production_starts_with_a_webhook_secret_of_its_own():
    secret = "s" * MIN_SECRET_LENGTH

    config = Config.from_environ({**PRODUCTION, "PAYMENTS_WEBHOOK_SECRET": secret})

    assert config.webhook_secret == secret
    assert secret not in repr(config)


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "inf"])
def test_timeout_has_to_be_above_zero(seconds):
    with pytest.raises(ConfigError, match="PAYMENTS_PROVIDER_TIMEOUT_SECONDS"):
        Config.from_environ({"PAYMENTS_PROVIDER_TIMEOUT_SECONDS": seconds})
