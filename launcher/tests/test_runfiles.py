"""Test the map of processes and ports that people and tools read."""

import json

import pytest

from launcher.plan import Service
from launcher.runfiles import RunFiles

AUTH = Service(name="auth", package="services.auth", host="127.0.0.1", port=8001)
SEARCH = Service(name="search", package="services.search", host="127.0.0.1", port=8007)


def names_in(folder):
    return [path.name for path in folder.iterdir()]


@pytest.fixture
def files(tmp_path):
    return RunFiles(tmp_path)


def test_a_file_names_the_process_and_its_ports(files, tmp_path):
    files.write(AUTH, 4711)
    files.write(SEARCH, 4712)

    assert json.loads((tmp_path / "run" / "auth.json").read_text()) == {
        "service": "auth",
        "pid": 4711,
        "port": 8001,
        "grpc_port": None,
    }
    assert json.loads((tmp_path / "run" / "search.json").read_text())["grpc_port"] == 9007


def test_a_reader_of_the_old_file_keeps_it_whole_while_the_new_one_takes_its_place(files, tmp_path):
    files.write(AUTH, 4711)
    with (tmp_path / "run" / "auth.json").open() as reader:
        files.write(AUTH, 4712)

        assert json.load(reader)["pid"] == 4711
    assert names_in(tmp_path / "run") == ["auth.json"]


def test_a_withdrawn_file_may_be_withdrawn_again(files, tmp_path):
    files.write(AUTH, 4711)

    files.remove(AUTH)
    files.remove(AUTH)

    assert names_in(tmp_path / "run") == []
