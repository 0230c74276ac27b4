"""Look for secrets where they must not be: in logs, processes, answers and files (case 144).

The shop runs in production mode, with secrets that are easy to find again.
"""

import json
import os
import secrets
import stat
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from chassis.config import EXIT_CONFIG, ConfigError
from services.payments.signatures import SIGNATURE_HEADER, sign
from tests.e2e.running import ROOT, Shop
from tests.e2e.shopper import Shopper
from tests.security.bad_bodies import JSON_TYPE
from tests.security.cookies import flaws

pytestmark = pytest.mark.e2e

SECRETS = (
    *("password", "wrong-password", "webhook", "guess", "authorization", "cookie"),
    *("redis", "broker", "mail"),
)
PLANTED = {name: f"canary-{name}-{secrets.token_hex(12)}" for name in SECRETS} | {
    "card": f"tok_canary_{secrets.token_hex(12)}",
    "card-number": "4000056655665556",
}
OWN_SETTINGS = {
    "SHOP_ENV": "production",
    "ALLOWED_HOSTS": "127.0.0.1",
    "PAYMENTS_WEBHOOK_SECRET": PLANTED["webhook"],
}
# Nobody listens there, so that all that can be said of them in a log is said.
NEIGHBOURS = {
    "REDIS_URL": f"redis://:{PLANTED['redis']}@127.0.0.1:1",
    "CELERY_BROKER_URL": f"redis://:{PLANTED['broker']}@127.0.0.1:1",
    "SMTP_URL": f"smtp://shop:{PLANTED['mail']}@127.0.0.1:1",
    "MAIL_FROM": "shop@example.com",
    "SHOP_URL": "https://shop.example.com",
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("production")
    users = folder / "users.json"
    users.write_text(json.dumps([{"username": "carol", "password": PLANTED["password"]}]))
    settings = {**OWN_SETTINGS, **NEIGHBOURS, "AUTH_USERS_FILE": str(users), "LOG_LEVEL": "DEBUG"}
    settings["GATEWAY_RATE_LIMIT"] = "1000"
    with Shop(folder, **settings) as shop:
        yield shop


@pytest.fixture(scope="module")
def known(shop):
    """Return every secret of the shop, with those that the journey sends."""
    files = {path.name: path.read_text().strip() for path in (shop.data / "secrets").iterdir()}
    return {**PLANTED, **{f"client secret of {name}": text for name, text in files.items()}}


@pytest.fixture(scope="module")
def journey(shop):
    """Do everything that takes a secret, well and badly; return the token and the answers."""
    carol, auth = Shopper(shop.url), Shopper(shop.url_of("auth"))
    pair = {"username": "carol", "password": PLANTED["password"]}
    log_in = "/api/v1/auth/login"
    token = carol.post(log_in, json=pair).json()["access_token"]
    answers = [
        carol.post(log_in, json={**pair, "password": PLANTED["wrong-password"]}),
        carol.post(log_in, json={**pair, "username": PLANTED["password"]}),
        carol.post(log_in, json={**pair, "password": [PLANTED["password"]]}),
        carol.post(log_in, data=json.dumps(pair)[:-1], headers={"Content-Type": JSON_TYPE}),
        carol.post(log_in, data=pair),
        carol.get("/products", headers={"Authorization": f"Bearer {PLANTED['authorization']}"}),
        carol.get("/products", headers={"Authorization": PLANTED["authorization"]}),
        carol.get("/products", headers={"Cookie": f"__Host-token={PLANTED['cookie']}"}),
        carol.get("/products", headers={"Cookie": f"token={PLANTED['cookie']}"}),
    ]
    for secret in (PLANTED["guess"], ""):
        client = {"client_id": "orders", "client_secret": secret}
        answers.append(auth.post("/internal/tokens", json=client))
    carol.session.headers["Authorization"] = f"Bearer {token}"
    answers += [carol.order(token=card) for card in ("tok_ok", "tok_declined", "tok_hang")]
    answers += [carol.order(token=PLANTED[card]) for card in ("card", "card-number")]
    event = json.dumps({"id": "evt", "type": "payment.failed", "payment_id": "pay_none"})
    for secret in (PLANTED["webhook"], PLANTED["guess"]):
        signed = {SIGNATURE_HEADER: sign(event.encode(), secret, 1)}
        answers.append(carol.post("/api/v1/payments/webhook", data=event, headers=signed))
    shop.kill("payments")
    answers.append(carol.order())
    assert {answer.status_code for answer in answers} >= {201, 202, 400, 401, 402, 415, 422}
    return token, answers


def found(secrets_by_name, text):
    return [name for name, secret in secrets_by_name.items() if secret in text]


def processes(shop):
    """Return the folder in /proc of each service's process, and of the launcher's."""
    names = [path.stem for path in (shop.data / "run").glob("*.json")]
    pids = {name: shop.entry(name)["pid"] for name in names} | {"launcher": shop.launcher.pid}
    return {name: Path("/proc") / str(pid) for name, pid in pids.items()}


def test_no_secret_is_in_a_log(shop, known, journey):
    token, _ = journey
    files = [shop.output, *(shop.data / "log").iterdir()]

    logged = {path.name: found({**known, "token": token}, path.read_text()) for path in files}

    assert "orders.jsonl" in logged
    assert {name: names for name, names in logged.items() if names} == {}


def test_no_secret_is_in_an_answer(known, journey):
    _, answers = journey
    # What somebody typed is theirs to see, but not even that is repeated.
    told = {answer.request.url: found(known, answer.text) for answer in answers}

    assert {url: names for url, names in told.items() if names} == {}


def test_no_password_or_card_number_is_stored(shop, journey):
    names = ("password", "wrong-password", "card-number", "authorization", "cookie")

    files = [path.read_bytes() for path in shop.data.glob("*.sqlite3*")]

    assert len(files) >= 4
    assert not any(PLANTED[name].encode() in content for content in files for name in names)


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
def test_no_process_is_started_with_a_secret_of_another(shop, known):
    environs = {
        name: found(known, (folder / "environ").read_text(errors="replace"))
        for name, folder in processes(shop).items()
    }
    arguments = {
        name: found(known, (folder / "cmdline").read_text(errors="replace"))
        for name, folder in processes(shop).items()
    }

    # The operator gave them to the launcher, which hands each to the services that need it.
    assert environs.pop("launcher") == ["webhook", "redis", "broker", "mail"]
    needed = {"payments": ["webhook"], "gateway": ["redis"], "notifications": ["broker", "mail"]}
    needed |= {name: ["broker"] for name in ("accounts", "auth", "orders")}
    assert {name: found for name, found in environs.items() if found != needed.get(name, [])} == {}
    assert {name: names for name, names in arguments.items() if names} == {}


def test_only_this_user_can_read_what_is_secret(shop):
    folders = [path for path in (shop.data / "secrets", shop.data / "mail") if path.exists()]
    # The database of auth holds the keys that sign, and its log may hold their pages.
    files = [*shop.data.glob("*.sqlite3*"), *(path for each in folders for path in each.iterdir())]

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [*folders, *files]}

    assert {modes[folder.name] for folder in folders} == {0o700}
    assert {"auth.sqlite3", "auth.sqlite3-wal", "orders"} <= set(modes)
    assert {path.name: oct(modes[path.name]) for path in files if modes[path.name] & 0o177} == {}


def test_nobody_else_can_change_what_the_shop_has_written(shop, journey):
    paths = [shop.data, *shop.data.rglob("*")]

    open_to_all = {str(path): oct(path.stat().st_mode) for path in paths if path.exists()}

    assert {path: mode for path, mode in open_to_all.items() if int(mode, 8) & 0o022} == {}


def test_keys_that_sign_have_256_bits_and_stay_here(shop):
    public = Shopper(shop.url).get("/.well-known/jwks.json").json()["keys"]
    assert {(key["kty"], key["crv"], len(key["x"])) for key in public} == {("OKP", "Ed25519", 43)}
    assert not [key for key in public if not {"d", "k", "p", "q"}.isdisjoint(key)]


def test_secrets_have_256_bits_and_differ(shop):
    texts = [path.read_text().strip() for path in (shop.data / "secrets").iterdir()]

    assert min(map(len, texts)) >= 43
    assert len(set(texts)) == len(texts)


def test_cookies_need_https_and_this_host_in_production(shop):
    pair = {"username": "carol", "password": PLANTED["password"]}
    carol = Shopper(shop.url)
    log_in = carol.post("/api/v1/auth/login", json=pair)
    refreshing = {"refresh_token": log_in.json()["refresh_token"]}

    answers = [
        carol.post("/auth", json=pair),
        log_in,
        carol.post("/api/v1/auth/refresh", json=refreshing),
        carol.post("/api/v1/auth/logout"),
    ]

    for answer in answers:
        lines = answer.raw.headers.getlist("Set-Cookie")
        assert {line.partition("=")[0] for line in lines} >= {"__Host-token", "__Secure-refresh"}
        assert [flaw for line in lines for flaw in flaws(line, production=True)] == []
        assert answer.headers["Cache-Control"] == "no-store"


def test_browser_without_tls_is_not_signed_in_in_production(shop):
    pair = {"username": "carol", "password": PLANTED["password"]}
    carol = Shopper(shop.url)

    signed_in = carol.post("/auth", json=pair)

    # The jar keeps the cookies, and like a browser sends them over TLS alone.
    assert signed_in.status_code == 200
    assert carol.get("/products").json()["code"] == "missing_token"
    assert "max-age=63072000" in signed_in.headers["Strict-Transport-Security"]


@pytest.mark.parametrize(("name", "status"), [("__Host-token", 200), ("token", 401)])
def test_cookie_that_needs_no_https_is_not_read_in_production(shop, journey, name, status):
    token, _ = journey

    answer = Shopper(shop.url).get("/products", headers={"Cookie": f"{name}={token}"})

    assert answer.status_code == status


@pytest.mark.parametrize(
    ("package", "changes", "named"),
    [
        ("services.payments", {"PAYMENTS_WEBHOOK_SECRET": ""}, "PAYMENTS_WEBHOOK_SECRET"),
        ("services.payments", {"PAYMENTS_WEBHOOK_SECRET": "short"}, "PAYMENTS_WEBHOOK_SECRET"),
        ("services.auth", {"AUTH_USERS_FILE": str(ROOT / "users.json")}, "AUTH_USERS_FILE"),
        ("gateway", {"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS"),
    ],
)
def test_production_refuses_what_everybody_knows(tmp_path, package, changes, named):
    environ = {**OWN_SETTINGS, "SHOP_DATA_DIR": str(tmp_path), "SHOP_MIGRATE": "auto", **changes}

    with pytest.raises(ConfigError, match=named) as refusal:
        import_module(package).create_app(
            config=import_module(f"{package}.config").Config.from_environ(environ)
        )

    assert PLANTED["webhook"] not in str(refusal.value)


def test_shop_does_not_open_with_defaults_in_production(tmp_path):
    environ = {"PATH": os.environ["PATH"], "SHOP_ENV": "production", "SHOP_DATA_DIR": str(tmp_path)}

    launcher = subprocess.run(
        [sys.executable, "-m", "launcher", "--port", "0"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert launcher.returncode == EXIT_CONFIG
    needed = ("ALLOWED_HOSTS", "AUTH_USERS_FILE", "PAYMENTS_WEBHOOK_SECRET")
    assert [name for name in needed if name not in launcher.stdout] == []
