"""Hold configuration against its promises."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from chassis.config import (
    ConfigError,
    Secret,
    ServiceConfig,
    environment,
    one_of,
    positive,
    setting,
    words,
)


@dataclass(frozen=True, kw_only=True)
class Example(ServiceConfig):
    service = "example"

    port: int = setting("EXAMPLE_PORT", default=7, parse=int, doc="a port")
    twice: int = setting(
        "EXAMPLE_TWICE", default=lambda environ: 2 * int(environ.get("N", "1")), parse=int, doc="n"
    )
    key: Secret = setting("EXAMPLE_KEY", default=Secret("hush"), parse=Secret, doc="a secret")


def test_unset_settings_have_their_defaults():
    config = Example.from_environ({})

    assert (config.port, config.twice, config.data_dir) == (7, 2, Path("var"))


def test_default_may_follow_from_other_variables():
    assert Example.from_environ({"N": "4"}).twice == 8


def test_set_variables_are_read():
    assert Example.from_environ({"EXAMPLE_PORT": "9"}).port == 9


def test_empty_variable_counts_as_unset():
    assert Example.from_environ({"EXAMPLE_PORT": ""}).port == 7


def test_everything_wrong_is_named_in_one_message():
    with pytest.raises(ConfigError) as caught:
        Example.from_environ({"EXAMPLE_PORT": "x", "SHOP_ENV": "prod", "LOG_LEVEL": "LOUD"})

    message = str(caught.value)
    assert all(name in message for name in ("EXAMPLE_PORT", "SHOP_ENV", "LOG_LEVEL"))


def test_secret_does_not_show_in_a_representation():
    config = Example.from_environ({"EXAMPLE_KEY": "hunter2"})

    assert "hunter2" not in repr(config)
    assert config.key == "hunter2"


def test_secrets_folder_is_below_the_data_folder():
    config = Example.from_environ({"SHOP_DATA_DIR": "/somewhere"})

    assert config.secrets_dir == Path("/somewhere/secrets")


def test_environment_lies_over_the_settings_file(tmp_path, monkeypatch):
    (tmp_path / "shop.env").write_text("EXAMPLE_A=file\nEXAMPLE_B=file\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EXAMPLE_B", "environment")

    merged = environment()

    assert (merged["EXAMPLE_A"], merged["EXAMPLE_B"]) == ("file", "environment")


def test_client_secret_is_read_from_its_file(tmp_path):
    (tmp_path / "example").write_text("s3cret\n")

    config = Example.from_environ({"SHOP_SECRETS_DIR": str(tmp_path)})

    assert config.client_secret() == "s3cret"


@pytest.mark.parametrize(
    ("read", "text"),
    [(positive, "0"), (positive, "-1"), (positive, "inf"), (positive, "nan"), (one_of("a"), "b")],
)
def test_unusable_text_is_refused(read, text):
    with pytest.raises(ValueError, match="expected"):
        read(text)


def test_words_are_split_at_commas():
    assert words(" a, b ,,c") == ("a", "b", "c")
