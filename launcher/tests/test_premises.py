"""Test what is made sure of before anything starts."""

import socket
from pathlib import Path

import pytest

from launcher.config import LauncherConfig
from launcher.errors import DataFolderInUse, DataFolderUnusable, PortTaken, PortUnusable
from launcher.plan import make_plan
from launcher.premises import claim_data, open_listeners, prepare_folder


def a_plan(**environ):
    config = LauncherConfig.from_environ(environ)
    return make_plan(config, environ, installed={"gateway", "auth"}.__contains__)


def test_data_folder_is_made_with_its_parents_and_left_empty(tmp_path):
    prepare_folder(tmp_path / "a" / "b")

    assert list((tmp_path / "a" / "b").iterdir()) == []


@pytest.mark.parametrize("folder", ["a-file", "a-file/below"])
def test_a_file_in_place_of_the_data_folder_is_named_with_what_helps(tmp_path, folder):
    (tmp_path / "a-file").touch()

    with pytest.raises(DataFolderUnusable, match=f"{folder} can't be written .*SHOP_DATA_DIR"):
        prepare_folder(tmp_path / folder)


def test_a_folder_that_exists_but_takes_no_file_is_refused():
    # Root may write anywhere, except where the kernel makes up the files.
    with pytest.raises(DataFolderUnusable, match="/proc/self can't be written"):
        prepare_folder(Path("/proc/self"))


def test_port_0_finds_a_free_row_and_listens_on_it():
    plan, listeners = open_listeners(a_plan(PORT="0"))

    ports = {name: listener.getsockname()[1] for name, listener in listeners.items()}
    for listener in listeners.values():
        listener.close()

    assert ports == {"gateway": plan.port, "auth": plan.port + 1}
    assert plan.port > 0


def test_a_taken_port_names_itself_its_service_and_the_way_out():
    plan, listeners = open_listeners(a_plan(PORT="0"))
    listeners["gateway"].close()

    with pytest.raises(PortTaken, match=rf"Port {plan.port + 1}, which auth needs.*PORT=\d+"):
        open_listeners(plan)
    listeners["auth"].close()


def test_nothing_stays_open_when_one_port_is_taken():
    plan, listeners = open_listeners(a_plan(PORT="0"))
    listeners["gateway"].close()
    with pytest.raises(PortTaken):
        open_listeners(plan)
    listeners["auth"].close()

    with socket.create_server(("127.0.0.1", plan.port)) as free_again:
        assert free_again.getsockname()[1] == plan.port


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(PortUnusable, match=r"gateway can't listen on 192.0.2.1"):
        open_listeners(a_plan(HOST="192.0.2.1"))


def test_second_launcher_is_kept_off_the_data_of_the_first(tmp_path):
    with claim_data(tmp_path, ["auth", "orders"]):
        with pytest.raises(DataFolderInUse, match="SHOP_DATA_DIR"):
            claim_data(tmp_path, ["products", "orders"])
        claim_data(tmp_path, ["products"]).close()

    claim_data(tmp_path, ["orders"]).close()
