"""Test the launcher as its users meet it: real processes, signals and ports."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from launcher.tests.running import ROOT, STUB, is_running, wait_until

pytestmark = pytest.mark.e2e

NEVER_READY = "import time\n\ndef create_app():\n    time.sleep(60)\n"
STUBBORN = STUB.replace("sleep(0.5)", "sleep(60)")
MISCONFIGURED = """
from chassis.config import ConfigError

def create_app():
    raise ConfigError("PRODUCTS_COLOUR: is required")
"""


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def sockets_of(pid: int) -> set[str]:
    files = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    return {file for file in files if file.startswith("socket:")}


def test_every_service_answers_on_the_port_that_its_run_file_names(start):
    shop = start().until_open()

    answers = {name: int(shop.ask(name)) for name in ("gateway", "auth", "products", "greetings")}

    assert answers == {name: shop.pid(name) for name in answers}


def test_a_service_that_a_url_puts_elsewhere_does_not_run_here(start):
    shop = start(AUTH_URL="http://auth.test").until_open()

    assert "auth" not in shop.output
    assert int(shop.ask("products")) == shop.pid("products")


@pytest.mark.parametrize("service", ["products", "gateway"])
def test_a_killed_service_comes_back_on_its_port_and_no_connection_is_lost(start, service):
    shop = start().until_open()
    before = shop.entry(service)

    os.kill(before["pid"], signal.SIGKILL)
    wait_until(lambda: not is_running(before["pid"]))
    answer = shop.ask(service)

    assert answer != str(before["pid"])
    assert shop.entry(service) == {**before, "pid": int(answer)}


def test_nothing_is_left_two_seconds_after_the_launcher_is_killed(start):
    shop = start().until_open()
    pids = shop.pids()

    os.kill(shop.launcher.pid, signal.SIGKILL)
    shop.exit_status()

    assert len(pids) == 5
    wait_until(lambda: not any(map(is_running, pids)), seconds=2)


def test_a_child_that_is_still_starting_dies_with_the_launcher_too(start):
    shop = start(products=NEVER_READY).until_says("greetings is ready")
    pids = shop.pids()

    os.kill(shop.launcher.pid, signal.SIGKILL)
    shop.exit_status()

    wait_until(lambda: not any(map(is_running, pids)), seconds=2)


@pytest.mark.parametrize("wish", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_everything_and_withdraws_the_run_files(start, wish):
    shop = start().until_open()
    pids = shop.pids()

    shop.tell(wish)

    assert shop.exit_status() == 0
    assert not any(map(is_running, pids))
    assert list((shop.folder / "var" / "run").iterdir()) == []


def test_a_stop_during_the_start_is_obeyed_at_once(start):
    shop = start(products=NEVER_READY).until_says("greetings is ready")

    shop.tell(signal.SIGTERM)

    assert shop.exit_status(seconds=5) == 0


@pytest.mark.parametrize(
    "stop",
    [
        pytest.param(lambda shop: shop.tell(signal.SIGTERM), id="sigterm to the launcher"),
        pytest.param(lambda shop: shop.tell_group(signal.SIGINT), id="control-c in a terminal"),
    ],
)
def test_a_request_under_way_is_answered_before_the_shop_stops(start, stop):
    shop = start().until_open()
    answers: list[str] = []
    request = threading.Thread(target=lambda: answers.append(shop.ask("products", "/slow")))
    pid = str(shop.pid("products"))

    request.start()
    stop(shop.until_says("slow request"))
    request.join()

    assert answers == [pid]
    assert shop.exit_status() == 0


def test_a_second_control_c_kills_what_will_not_stop(start):
    shop = start(products=STUBBORN).until_open()
    pids = shop.pids()
    with socket.create_connection(("127.0.0.1", shop.entry("products")["port"])) as connection:
        connection.sendall(b"GET /slow HTTP/1.0\r\n\r\n")
        shop.until_says("slow request")
    shop.tell(signal.SIGINT)
    wait_until(lambda: not shop.is_listed("auth"))

    wait_until(lambda: "killed" in shop.output or shop.tell(signal.SIGINT))

    assert shop.exit_status(seconds=3) == 0
    assert "products did not stop in time and is killed" in shop.output
    assert not any(map(is_running, pids))


def test_one_wish_to_stop_that_arrives_twice_kills_nothing(start):
    shop = start(products=STUB.replace("sleep(0.5)", "sleep(1)")).until_open()
    with socket.create_connection(("127.0.0.1", shop.entry("products")["port"])) as connection:
        connection.sendall(b"GET /slow HTTP/1.0\r\n\r\n")
        shop.until_says("slow request").tell(signal.SIGINT)

        shop.until_says("stopping").tell(signal.SIGINT)

        assert shop.exit_status() == 0
    assert "killed" not in shop.output


def test_a_service_that_refuses_its_configuration_stops_the_shop_with_its_message(start):
    shop = start(products=MISCONFIGURED)

    status = shop.exit_status()

    assert status == os.EX_CONFIG
    assert "products  | PRODUCTS_COLOUR: is required" in shop.output
    assert "starts again" not in shop.output


def test_every_service_that_refuses_its_configuration_gets_to_say_why(folder, start):
    late = MISCONFIGURED.replace("    raise", "    import time; time.sleep(1)\n    raise")
    (folder / "services" / "greetings" / "__init__.py").write_text(late)

    shop = start(products=MISCONFIGURED)

    assert shop.exit_status() == os.EX_CONFIG
    assert "products  | PRODUCTS_COLOUR" in shop.output
    assert "greetings | PRODUCTS_COLOUR" in shop.output


def test_a_package_that_cannot_be_imported_stops_the_shop_with_its_traceback(start):
    shop = start(products="1 / 0\n")

    status = shop.exit_status()

    assert status == 1
    assert shop.output.rstrip().endswith("ZeroDivisionError: division by zero")
    assert "services/products/__init__.py" in shop.output


def test_a_service_that_fails_to_start_is_tried_again_with_growing_delay(start):
    shop = start(products="def create_app():\n    raise RuntimeError('no luck')\n")

    shop.until_says("it starts again in 0.4 s")

    assert "it starts again now" in shop.output
    assert "products  | RuntimeError: no luck" in shop.output


def test_output_of_a_service_carries_its_name(start):
    shop = start().until_open()

    assert "products  | created" in shop.output
    assert "auth      | created" in shop.output


def test_a_full_pipe_on_the_launchers_output_blocks_no_service(start):
    shop = start("--port", "0", "--only", "products", piped=True)
    wait_until(lambda: shop.is_listed("products"))

    answer = shop.ask("products", "/flood")

    assert answer == str(shop.pid("products"))


def test_a_services_secret_is_in_no_other_services_environment(start):
    shop = start(AUTH_SIGNING_KEY="canary", GATEWAY_RATE_LIMIT="7").until_open()

    holders = {
        name: b"canary" in environment_of(shop.pid(name))
        for name in ("auth", "products", "gateway")
    }

    assert holders == {"auth": True, "products": False, "gateway": False}
    assert b"GATEWAY_RATE_LIMIT=7" in environment_of(shop.pid("products"))


def test_a_service_holds_no_socket_of_another_or_of_the_launcher(start):
    shop = start().until_open()

    auth, products = (sockets_of(shop.pid(name)) for name in ("auth", "products"))

    assert auth
    assert products
    assert auth & products == set()


def test_a_taken_port_is_one_sentence(start):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        shop = start("--port", str(port))

        assert shop.exit_status() == 1
    assert shop.output.count("\n") == 1
    assert shop.output.startswith(f"Port {port}, which gateway needs, is taken")


def test_an_unusable_data_folder_is_one_sentence(start, tmp_path):
    (tmp_path / "a-file").touch()
    shop = start(SHOP_DATA_DIR="a-file")

    assert shop.exit_status() == 1
    assert shop.output.count("\n") == 1
    assert "The data folder a-file can't be written" in shop.output


def test_a_wrong_setting_is_named_and_the_status_asks_for_no_restart(start):
    shop = start("--only", "auth", PORT="eighty")

    assert shop.exit_status() == os.EX_CONFIG
    assert "PORT: 'eighty' is no whole number" in shop.output


def test_a_launcher_tied_to_its_parent_stops_with_it(folder):
    python = shlex.quote(sys.executable)
    command = f"{python} -m launcher --port 0 --only auth --with-parent & read forever"
    parent = subprocess.Popen(
        ["sh", "-c", command],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    run_file = folder / "var" / "run" / "auth.json"
    wait_until(run_file.exists)

    parent.kill()
    parent.communicate()

    wait_until(lambda: not run_file.exists())


def test_help_names_the_options():
    run = subprocess.run(
        [sys.executable, "-m", "launcher", "--help"], cwd=ROOT, capture_output=True, check=True
    )

    assert b"--only" in run.stdout
