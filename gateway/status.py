"""Show people and programs how the gateway finds each service, without asking it."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from flask import Blueprint, Flask, Response, current_app

from chassis.clock import Clock
from chassis.outbound.breaker import BreakerState
from gateway.cache import SharedCache
from gateway.pages import page_or_json
from gateway.upstream import Upstream

KEPT: Final = 5

bp = Blueprint("status", __name__)


@dataclass(frozen=True, slots=True)
class Transition:
    """Hold a change of a breaker's state: when, in UTC, from what to what, and why."""

    at: str
    source: str
    target: str
    why: str


@dataclass(frozen=True)
class Watch:
    """Remember the latest transitions of each breaker, by service."""

    clock: Clock
    transitions: dict[str, deque[Transition]] = field(default_factory=dict)

    def follow(self, upstreams: Mapping[str, Upstream]) -> None:
        """Hear of every transition from now on."""
        for name, upstream in upstreams.items():
            self.transitions[name] = deque(maxlen=KEPT)
            upstream.caller.breaker.add_listener(self._note)

    def _note(self, name: str, old: BreakerState, new: BreakerState, why: str) -> None:
        at = self.clock.now().isoformat(timespec="milliseconds")
        self.transitions[name].appendleft(Transition(at, old, new, why))


def init_app(
    app: Flask, upstreams: Mapping[str, Upstream], cache: SharedCache, clock: Clock
) -> None:
    """Add the page to the application, and watch the breakers from now on."""
    watch = Watch(clock)
    watch.follow(upstreams)
    app.extensions.update(upstreams=upstreams, cache=cache, watch=watch)
    app.register_blueprint(bp)


@bp.get("/status")
def show_status() -> Response:
    """Show a page to a browser, and JSON to everybody else."""
    upstreams: Mapping[str, Upstream] = current_app.extensions["upstreams"]
    watch: Watch = current_app.extensions["watch"]
    cache: SharedCache = current_app.extensions["cache"]
    services = {
        name: describe(upstream, watch.transitions[name], cache.stale_answers[name])
        for name, upstream in upstreams.items()
    }
    return page_or_json("status.html", {"services": services}, services=services)


def describe(
    upstream: Upstream, transitions: Sequence[Transition], stale_answers: int
) -> dict[str, Any]:
    """Return what is known of one service; latencies are those of its latest hundred answers."""
    taken = sorted(upstream.latencies)
    return {
        "breaker": upstream.caller.breaker.state,
        "in_flight": upstream.caller.bulkhead.in_flight,
        "latency_ms": {
            "p50": _percentile(taken, 0.50),
            "p99": _percentile(taken, 0.99),
        },
        "stale_answers": stale_answers,
        "transitions": [asdict(transition) for transition in transitions],
    }


def _percentile(taken: Sequence[float], share: float) -> float | None:
    return round(1000 * taken[int(share * (len(taken) - 1))], 1) if taken else None
