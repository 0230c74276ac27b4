"""Test that a process serves alike with gunicorn's arbiter and without it."""

import logging
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from chassis.inbound import serving

SERVE = """
import sys
from chassis.config import ConfigError
from chassis.inbound.serving import serve

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(environ["wsgi.url_scheme"]).encode()]

def refuse():
    raise ConfigError("COLOUR: is required")

sys.exit(serve(refuse if "refuse" in sys.argv else lambda: app))
"""


def environment(**environ):
    return {"PATH": os.environ["PATH"], **environ}


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def process(listener):
    handed_over = {serving.LISTEN_FD: str(listener.fileno())}
    command = [sys.executable, "-c", SERVE]
    process = subprocess.Popen(
        command, env=environment(**handed_over), pass_fds=[listener.fileno()]
    )
    yield process
    process.kill()
    process.wait()


def get(listener, headers=()):
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    # The connection waits in the listener's queue until the process is up.
    return urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers)), timeout=10)


def settings_of_gunicorn(**environ):
    command = ["gunicorn", "-c", "python:chassis.inbound.serving", "--print-config", "os:getcwd"]
    run = subprocess.run(
        [sys.executable, "-m", *command],
        env=environment(**environ),
        capture_output=True,
        check=True,
        text=True,
    )
    lines = [line.partition("=") for line in run.stdout.splitlines()]
    return {name.strip(): value.strip() for name, _, value in lines}


def test_gunicorn_takes_the_address_and_width_from_the_environment():
    settings = settings_of_gunicorn(HOST="::1", PORT="9003", WEB_THREADS="3")

    assert settings["bind"] == "['[::1]:9003']"
    assert settings["threads"] == "3"


def test_gunicorn_and_serve_use_the_same_settings():
    settings = settings_of_gunicorn()
    config = serving._gunicorn_config({})

    names = [
        "bind",
        "threads",
        "keepalive",
        "graceful_timeout",
        "limit_request_fields",
        "accesslog",
    ]
    assert {name: settings[name] for name in names} == {
        name: str(getattr(config, name)) for name in names
    }
    assert config.control_socket_disable


def test_an_override_applies_to_one_process_only():
    assert serving._gunicorn_config({"keepalive": 75}).keepalive == 75
    assert serving._gunicorn_config({}).keepalive == 65


@pytest.mark.parametrize("threads", ["0", "many"])
def test_a_width_that_makes_no_sense_is_named(threads):
    with pytest.raises(ValueError, match=r"invalid literal|above 0"):
        serving.count(threads)


def test_a_handed_over_socket_is_served_until_sigterm(process, listener):
    with get(listener) as answer:
        assert answer.status == 200
        assert answer.headers["Server"] == "gunicorn"

    process.send_signal(signal.SIGTERM)

    assert process.wait(10) == 0


def test_no_client_is_believed_to_be_a_proxy(process, listener):
    with get(listener, {"X-Forwarded-Proto": "https"}) as answer:
        assert answer.read() == b"http"


def test_too_many_header_fields_are_refused(process, listener):
    many = {f"X-Field-{number}": "x" for number in range(serving.limit_request_fields)}

    with pytest.raises(urllib.error.HTTPError, match="431"):
        get(listener, many)


def test_a_refused_configuration_is_said_and_asks_for_no_restart():
    run = subprocess.run(
        [sys.executable, "-c", SERVE, "refuse"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert run.returncode == os.EX_CONFIG
    assert run.stderr == "COLOUR: is required\n"


def test_a_refused_configuration_is_said_by_gunicorn_and_ends_it(tmp_path):
    (tmp_path / "refusing.py").write_text(
        "from chassis.config import ConfigError\n"
        "def create_app():\n    raise ConfigError('COLOUR: is required')\n"
    )
    command = ["gunicorn", "-c", "python:chassis.inbound.serving", "--bind", f"unix:{tmp_path}/s"]
    run = subprocess.run(
        [sys.executable, "-m", *command, "--pythonpath", str(tmp_path), "refusing:create_app()"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert run.returncode == os.EX_CONFIG
    assert "COLOUR: is required" in run.stderr.splitlines()
    assert "Traceback" not in run.stderr


def test_messages_of_gunicorn_go_where_the_application_logs(caplog):
    log = logging.getLogger("gunicorn.error")
    log.addHandler(logging.NullHandler())

    serving.post_worker_init(None)
    log.warning("half a request")

    assert caplog.messages == ["half a request"]
    assert log.handlers == []
