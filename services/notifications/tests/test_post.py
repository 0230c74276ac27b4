"""Hand mails to a real mail server, and to a folder."""

import dataclasses
import datetime as dt
import ssl
import stat
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chassis.errors import EventRefused, Unavailable
from services.notifications.config import DEFAULT_FROM, sender
from services.notifications.domain import Recipient
from services.notifications.letters import Writer
from services.notifications.post import ANOTHER_TRY_SECONDS, FilePost, SMTPPost
from services.notifications.smtp_url import read_smtp_url
from tests.mail_server import MailServer

from .samples import an_event, read

USERS = {"shop": "p@ss/word"}
WRITER = Writer(sender(DEFAULT_FROM), "http://localhost:8000")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """Make a certificate for localhost that signs itself, and return its file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    encoding = serialization.Encoding.PEM
    text = key.private_bytes(
        encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(text + built.public_bytes(encoding))
    return path


@pytest.fixture
def server_context(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def server():
    with MailServer() as server:
        yield server


def send(url, seconds=5.0, address="alice@example.org"):
    """Send a mail about a new event."""
    event = read()
    message = WRITER.write(event, Recipient(address, "Alice", "fr"))
    SMTPPost(read_smtp_url(url), seconds).send(event, message)
    return event


def test_mail_arrives_whole(server):
    event = send(f"smtp://127.0.0.1:{server.port}")

    (mail,) = server.accepted
    assert mail["Message-ID"] == f"<{event.id}@localhost>"
    assert mail["To"].addresses[0].addr_spec == "alice@example.org"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert "plus rien à faire" in mail.get_body(("plain",)).get_content()


def test_address_in_another_script_is_sent_in_utf8(server):
    send(f"smtp://127.0.0.1:{server.port}", address="jürgen@bücher.example")

    assert len(server.accepted) == 1


@pytest.mark.parametrize(("scheme", "implicit"), [("smtp", False), ("smtps", True)])
def test_password_travels_in_tls_that_is_verified(
    server_context, certificate, monkeypatch, scheme, implicit
):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with MailServer(tls=server_context, users=USERS, implicit=implicit) as server:
        option = "" if implicit else "?starttls=required"
        send(f"{scheme}://shop:p%40ss%2Fword@localhost:{server.port}{option}")

        assert len(server.accepted) == 1


@pytest.mark.parametrize(("host", "trusted"), [("localhost", False), ("127.0.0.1", True)])
def test_server_that_can_not_prove_its_name_gets_no_password(
    server_context, certificate, monkeypatch, host, trusted
):
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with MailServer(tls=server_context, users=USERS) as server:
        with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
            send(f"smtp://shop:p%40ss%2Fword@{host}:{server.port}?starttls=required")

        assert server.commands == ["EHLO"]


def test_server_without_starttls_gets_nothing(server):
    with pytest.raises(Unavailable, match="STARTTLS"):
        send(f"smtp://shop:secret@localhost:{server.port}?starttls=required")

    assert server.accepted == []


def test_wrong_password_makes_mails_wait_and_is_not_shown():
    with MailServer(users=USERS) as server:
        send(f"smtp://shop:p%40ss%2Fword@127.0.0.1:{server.port}")
        with pytest.raises(Unavailable, match="535") as refusal:
            send(f"smtp://shop:hu5h@127.0.0.1:{server.port}")

        assert len(server.accepted) == 1
    assert "hu5h" not in repr(refusal.value)
    assert "hu5h" not in repr(read_smtp_url("smtp://shop:hu5h@127.0.0.1"))


@pytest.mark.parametrize(
    ("answer", "error", "seconds"),
    [
        ("421 try again", Unavailable, 1),
        ("450 greylisted", Unavailable, ANOTHER_TRY_SECONDS),
        ("452 mailbox full", Unavailable, ANOTHER_TRY_SECONDS),
        ("550 no such user", EventRefused, None),
        ("553 not a name", EventRefused, None),
    ],
)
def test_refused_recipient_is_told_from_one_that_has_to_wait(server, answer, error, seconds):
    server.recipient = lambda _: answer

    with pytest.raises(error, match=answer) as refusal:
        send(f"smtp://127.0.0.1:{server.port}")

    assert getattr(refusal.value, "retry_after_seconds", None) == seconds


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("421 closing", Unavailable),
        ("451 disk full", Unavailable),
        ("554 looks like spam", EventRefused),
        ("drop", Unavailable),
    ],
)
def test_refused_mail_is_told_from_one_that_has_to_wait(server, answer, error):
    server.data = answer

    with pytest.raises(error):
        send(f"smtp://127.0.0.1:{server.port}")

    assert server.accepted == []


def test_server_that_is_slow_is_given_up_in_time(server):
    server.held.set()
    began = time.monotonic()

    with pytest.raises(Unavailable, match=r"(?i)time"):
        send(f"smtp://127.0.0.1:{server.port}", seconds=0.3)

    assert time.monotonic() - began < 3


def test_server_that_is_away_makes_mails_wait_and_is_used_when_it_is_back(tell, office, clock):
    with MailServer() as server:
        port = server.port
    post = SMTPPost(read_smtp_url(f"smtp://127.0.0.1:{port}"), 2)
    office.relay.transport = dataclasses.replace(office.relay.transport, post=post)
    for _ in range(5):
        tell(an_event())
    office.work()

    with MailServer(port=port) as server:
        clock.advance(2)
        office.work()

        assert len(server.accepted) == 5


def test_file_is_for_its_owner_and_is_named_after_the_event(tmp_path):
    post, event = FilePost(tmp_path / "mail"), read(id="11111111-1111-4111-8111-111111111111")
    message = WRITER.write(event, Recipient("a@example.org", "A", "en"))

    for _ in range(2):
        post.send(event, message)

    (path,) = (tmp_path / "mail").iterdir()
    assert path.name == "20260102T030405Z-11111111-1111-4111-8111-111111111111.eml"
    assert path.read_bytes() == message.as_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_folder_that_can_not_be_written_makes_mails_wait(tmp_path):
    (tmp_path / "mail").write_text("in the way")

    with pytest.raises(Unavailable):
        FilePost(tmp_path / "mail").send(
            read(), WRITER.write(read(), Recipient("a@b.c", "A", "en"))
        )
