"""Test the client secrets of the first start."""

import stat

import pytest

from launcher.credentials import make_client_secrets
from launcher.errors import DataFolderUnusable


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_each_service_gets_a_secret_of_its_own_that_only_this_user_reads(tmp_path):
    folder = tmp_path / "data" / "secrets"

    make_client_secrets(folder, ["orders", "payments"])

    secrets = {path.name: path.read_text().strip() for path in folder.iterdir()}
    assert set(secrets) == {"orders", "payments"}
    assert secrets["orders"] != secrets["payments"]
    assert all(len(secret) >= 43 for secret in secrets.values())  # 256 bits in base64.
    assert [mode(folder), *map(mode, folder.iterdir())] == [0o700, 0o600, 0o600]


def test_a_secret_that_exists_is_never_replaced(tmp_path):
    (tmp_path / "orders").write_text("chosen by the operator\n")

    make_client_secrets(tmp_path, ["orders"])

    assert (tmp_path / "orders").read_text() == "chosen by the operator\n"


def test_a_secret_made_meanwhile_by_somebody_else_stays(tmp_path, monkeypatch):
    # The look before the creation finds nothing, as in a race with a second launcher.
    (tmp_path / "orders").write_text("the first one's\n")
    monkeypatch.setattr("pathlib.Path.exists", lambda _: False)

    make_client_secrets(tmp_path, ["orders"])

    assert {path.name for path in tmp_path.iterdir()} == {"orders"}
    assert (tmp_path / "orders").read_text() == "the first one's\n"


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "a-file").touch()

    with pytest.raises(DataFolderUnusable, match=r"a-file/secrets .*SHOP_SECRETS_DIR"):
        make_client_secrets(tmp_path / "a-file" / "secrets", ["orders"])
