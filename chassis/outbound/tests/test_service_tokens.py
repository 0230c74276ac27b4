import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from chassis.errors import Unavailable
from chassis.outbound.client import ServiceClient
from chassis.outbound.service_tokens import service_tokens
from chassis.outbound.tests.neighbours import ScriptedTransport
from chassis.renewal import Renewed
from chassis.tests.threads import join_threads


def issued(token: str, seconds: int = 600):
    return 200, {"access_token": token, "token_type": "Bearer", "expires_in": seconds}, {}


@pytest.fixture
def tokens_from(clock):
    """Return a function that makes tokens come from an issuer with these answers."""

    def make(transport: ScriptedTransport) -> Renewed[str]:
        client = ServiceClient("issuer", "http://issuer.test", transport=transport, clock=clock)
        return service_tokens(client, "me", lambda: "my secret", clock)

    return make


def test_token_is_fetched_with_the_secret_and_kept(tokens_from):
    class RecordingTransport(ScriptedTransport):
        def send(self, request: requests.PreparedRequest, *args, **kwargs):
            bodies.append((request.path_url, json.loads(request.body)))
            return super().send(request, *args, **kwargs)

    bodies = []
    tokens = tokens_from(RecordingTransport(issued("one")))

    assert [tokens.get(), tokens.get()] == ["one", "one"]
    assert bodies == [("/internal/tokens", {"client_id": "me", "client_secret": "my secret"})]


@pytest.mark.parametrize(("life", "kept"), [(600, 570), (10, 8)])
def test_token_is_renewed_shortly_before_it_expires(tokens_from, clock, life, kept):
    tokens = tokens_from(ScriptedTransport(issued("one", life), issued("two")))
    tokens.get()
    clock.advance(kept - 0.1)
    assert tokens.get() == "one"

    clock.advance(0.1)
    tokens.get()
    join_threads("service-token")

    assert tokens.get() == "two"


def test_old_token_serves_while_the_issuer_is_away_until_it_expires(tokens_from, clock):
    tokens = tokens_from(ScriptedTransport(issued("one"), (500, {}, {})))
    tokens.get()
    clock.advance(599)
    assert tokens.get() == "one"
    join_threads("service-token")

    clock.advance(1)

    with pytest.raises(Unavailable):
        tokens.get()


@pytest.mark.parametrize("answer", [(401, {}, {}), (200, {}, {}), issued("one", None)])
def test_answer_without_a_token_leaves_the_service_unavailable(tokens_from, answer):
    with pytest.raises(Unavailable, match="identify itself"):
        tokens_from(ScriptedTransport(answer)).get()


class HeldTransport(ScriptedTransport):
    """Answer only when told to."""

    def __init__(self, *steps):
        super().__init__(*steps)
        self.is_asked = threading.Event()
        self.may_answer = threading.Event()

    def send(self, *args, **kwargs):
        self.is_asked.set()
        assert self.may_answer.wait(5)
        return super().send(*args, **kwargs)


def test_threads_without_a_token_wait_for_one_fetch(tokens_from, clock, monkeypatch):
    transport = HeldTransport(issued("one"))
    tokens = tokens_from(transport)
    asking = set()

    def monotonic() -> float:
        # Each thread looks at the clock before it waits.
        asking.add(threading.get_ident())
        if len(asking) == 10:
            transport.may_answer.set()
        return 1000.0

    monkeypatch.setattr(clock, "monotonic", monotonic)
    with ThreadPoolExecutor(10) as pool:
        asked = [pool.submit(tokens.get) for _ in range(10)]

    assert [call.result() for call in asked] == ["one"] * 10
    assert len(transport.requests) == 1


def test_callers_go_on_with_the_old_token_while_it_is_renewed(tokens_from, clock):
    transport = HeldTransport(issued("one"), issued("two"))
    transport.may_answer.set()
    tokens = tokens_from(transport)
    tokens.get()
    transport.is_asked.clear()
    transport.may_answer.clear()
    clock.advance(580)
    began = time.monotonic()

    assert tokens.get() == "one"
    assert transport.is_asked.wait(5)
    assert tokens.get() == "one"
    assert time.monotonic() - began < 1
    transport.may_answer.set()
    join_threads("service-token")

    assert tokens.get() == "two"
    assert len(transport.requests) == 2


def test_rejected_token_is_dropped_once(tokens_from, clock):
    tokens = tokens_from(ScriptedTransport(issued("one"), issued("two")))
    tokens.get()
    clock.advance(5)

    assert tokens.reject("one")
    assert tokens.get() == "two"
    assert tokens.reject("one")
    assert tokens.get() == "two"


def test_new_token_that_is_rejected_stays(tokens_from):
    transport = ScriptedTransport(issued("one"))
    tokens = tokens_from(transport)

    assert not tokens.reject(tokens.get())

    assert tokens.get() == "one"
    assert len(transport.requests) == 1
