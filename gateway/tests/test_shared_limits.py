"""Count with a real Redis server, while it answers and while it does not."""

import subprocess
import sys
import time
import uuid

import pytest
import redis

from chassis.config import ConfigError
from chassis.errors import TooManyRequests
from gateway.config import Config
from gateway.limits import Limit
from gateway.tests.conftest import ROOT, Server
from gateway.tests.faulty_line import FaultyLine
from gateway.tests.stub import Stub

SLOWLY = {"GATEWAY_RATE_LIMIT": "0.1"}


@pytest.fixture
def line(redis_url):
    with FaultyLine(redis_url) as line:
        yield line


@pytest.fixture
def stranger():
    """Give an address that no other test has used."""
    return str(uuid.uuid4())


@pytest.fixture
def gateways(make_gateway, line, clock):
    made = [make_gateway(REDIS_URL=line.url, clock=clock, **SLOWLY) for _ in range(2)]
    yield made
    for gateway in made:
        limiter = gateway.app.wsgi_app.limiter
        limiter._windows.storage.storage.close()


def asked(gateway, client):
    return gateway.get("/greet/A", REMOTE_ADDR=client).status_code


def test_gateways_share_one_count(gateways, stranger):
    assert [asked(gateway, stranger) for gateway in gateways] == [200, 429]
    assert asked(gateways[1], f"not {stranger}") == 200


def test_refusal_says_when_to_come_back(gateways, stranger):
    asked(gateways[0], stranger)

    refusal = gateways[1].get("/greet/A", REMOTE_ADDR=stranger)

    assert refusal.get_json()["code"] == "too_many_requests"
    assert 1 <= int(refusal.headers["Retry-After"]) <= 10


def test_limits_count_apart_and_networks_together(gateways, stranger):
    network = f"2001:db8:{stranger[:4]}:{stranger[4:8]}"
    one, other = (gateway.app.wsgi_app.limiter for gateway in gateways)
    limit = Limit("one a minute", 1, 60)

    one.take(f"{network}::1", limit)

    with pytest.raises(TooManyRequests):
        other.take(f"{network}::2", limit)
    other.take(f"{network}::2", Limit("another", 1, 60))


@pytest.mark.parametrize("trouble", ["cut", "hang"])
def test_nobody_waits_for_redis(gateways, line, stranger, caplog, trouble):
    asked(gateways[0], stranger)
    getattr(line, trouble)()
    started = time.perf_counter()

    alone = [asked(gateways[0], f"{n} {stranger}") for n in range(50)]
    again = asked(gateways[0], f"0 {stranger}")

    assert (time.perf_counter() - started) / 51 < 0.005
    assert (set(alone), again) == ({200}, 429)
    assert caplog.text.count("requests are counted by each gateway alone") == 1
    assert "127.0.0.1" not in caplog.text.replace(str(ROOT), "")


def test_gateways_count_together_again_when_redis_is_back(
    gateways, line, clock, stranger, caplog, redis_url
):
    line.cut()
    apart = [asked(gateway, stranger) for gateway in gateways]
    line.mend()
    # As after a restart, Redis knows no script.
    with redis.Redis.from_url(redis_url) as client:
        client.script_flush()
    clock.advance(15)

    together = [asked(gateway, f"2 {stranger}") for gateway in gateways]

    assert (apart, together) == ([200, 200], [200, 429])
    assert caplog.text.count("requests are counted together again") == 2


def test_redis_that_stays_away_is_asked_ever_more_seldom(gateways, line, clock, stranger, caplog):
    line.hang()
    for _ in range(60):
        asked(gateways[0], stranger)
        clock.advance(1)

    # Once at the start, then after 1, 2, 4, 8 and from there on 8 seconds, more or less.
    assert 5 <= line.connections <= 12
    assert caplog.text.count("requests are counted") == 1


def test_processes_share_one_count_and_keep_serving_without_redis(tmp_path, line):
    stub = Stub()
    settings = {"REDIS_URL": line.url, **SLOWLY, "TRUSTED_PROXIES": "127.0.0.1"}
    servers = [Server(tmp_path, stub, **settings) for _ in range(2)]

    def status(server, client):
        fields = f"Host: localhost\r\nX-Forwarded-For: {client}\r\nConnection: close"
        answer = server.say(f"GET /greet/A HTTP/1.1\r\n{fields}\r\n\r\n".encode())
        return int(answer.split()[1])

    shared = [status(server, "192.0.2.1") for server in servers]
    line.hang()
    alone = [status(server, "192.0.2.2") for server in servers]

    assert (shared, alone) == ([200, 429], [200, 200])
    for server in servers:
        server.close()
    stub.close()


def test_gateway_without_redis_loads_nothing_of_it(tmp_path):
    program = (
        "import sys; from gateway.__main__ import create_app; from gateway.config import Config;"
        "create_app(Config.from_environ({'SHOP_DATA_DIR': sys.argv[1]}));"
        "print({'redis', 'limits', 'flask_limiter'} & set(sys.modules))"
    )

    command = [sys.executable, "-c", program, tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout == "set()\n"


def test_address_of_no_redis_is_refused_without_showing_its_password():
    with pytest.raises(ConfigError, match="REDIS_URL: expected") as refusal:
        Config.from_environ({"REDIS_URL": "http://:hunter2@redis.test"})

    assert "hunter2" not in str(refusal.value)
    assert "hunter2" not in repr(Config.from_environ({"REDIS_URL": "redis://:hunter2@redis.test"}))
