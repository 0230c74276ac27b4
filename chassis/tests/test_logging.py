"""Hold logging against its promises."""

import json
import logging

import pytest

from chassis import logging as chassis_logging
from chassis import tracing
from chassis.config import ConfigError, ServiceConfig


@pytest.fixture(autouse=True)
def restored_logging():
    root = logging.getLogger()
    # A file handler of an earlier test is closed by then, and would open its file again.
    handlers = [each for each in root.handlers if not isinstance(each, logging.FileHandler)]
    level = root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:], root.level = handlers, level


def configured(tmp_path, **changes):
    config = ServiceConfig.from_environ({"SHOP_DATA_DIR": str(tmp_path), **changes})
    chassis_logging.configure(config)
    return tmp_path / "log" / "service.jsonl"


def test_file_has_one_json_object_a_line_with_the_request(tmp_path):
    file = configured(tmp_path)
    trace = tracing.begin({})

    logging.getLogger("example").warning("careful")

    line = json.loads(file.read_text())
    assert (line["level"], line["message"], line["service"]) == ("WARNING", "careful", "service")
    assert (line["request_id"], line["trace_id"]) == (trace.request_id, trace.trace_id)
    assert line["time"].endswith("+00:00")


def test_level_decides_what_is_written(tmp_path):
    file = configured(tmp_path, LOG_LEVEL="ERROR")

    logging.getLogger("example").warning("not this")

    assert not file.exists()


def test_line_breaks_can_not_forge_a_line(tmp_path):
    file = configured(tmp_path)

    logging.getLogger("example").warning('one\n{"level": "ERROR"}')

    assert len(file.read_text().splitlines()) == 1


def test_another_configuration_file_takes_the_place_of_the_bundled_one(tmp_path):
    own = tmp_path / "own.json"
    handler = {"class": "logging.FileHandler", "filename": "${file}", "delay": True}
    root = {"level": "${level}", "handlers": ["file"]}
    document = {"version": 1, "handlers": {"file": handler}, "root": root}
    own.write_text(json.dumps({**document, "disable_existing_loggers": False}))

    file = configured(tmp_path, LOG_CONFIG=str(own))

    logging.getLogger("example").warning("plain")
    assert file.read_text() == "plain\n"


@pytest.mark.parametrize("content", [None, "not json", '{"version": 9}'])
def test_unusable_configuration_file_is_named(tmp_path, content):
    path = tmp_path / "logging.json"
    if content is not None:
        path.write_text(content)

    with pytest.raises(ConfigError, match=r"LOG_CONFIG: .*logging\.json"):
        configured(tmp_path, LOG_CONFIG=str(path))
