"""Keep public answers for a moment for everybody, and longer for when their service is away.

Sources: RFC 9111 (HTTP caching), for what a shared cache may keep; RFC 5861, for showing stale
answers instead of errors.  What belongs to a person never gets here: only answers to requests that
carried no credentials, and that their service calls public, are kept.

A client can't ask to be served afresh: by that a stranger could have every request go to a service.
"""

import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chassis.clock import Clock
from chassis.errors import BadUpstream, DeadlineExceeded, Unavailable
from gateway.headers import wsgi_key
from gateway.wire import Reply

MAX_ENTRIES: Final = 1000
# Pages of the catalogue have a few KB, so that all entries together have a few MB.
MAX_BYTES: Final = 64 * 1024

_LIFE: Final = re.compile(r"\bmax-age=([0-9]{1,9})\b")

_FAILURES: Final = (BadUpstream, DeadlineExceeded, Unavailable)
_FAILED: Final = frozenset({502, 503, 504})

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """Hold an answer, when it was asked for, and how long it is fresh; in monotonic seconds."""

    reply: Reply
    asked_at: float
    fresh_until: float


class SharedCache:
    """Hold answers by what was asked; the one stored longest ago makes room."""

    def __init__(self, clock: Clock, stale_seconds: float) -> None:
        """Show nothing that is older than ``stale_seconds``."""
        self._clock = clock
        self._stale_seconds = stale_seconds
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        # By the target, the headers that its answers depend on.
        self._varies: dict[str, tuple[str, ...]] = {}
        self._changed_at = float("-inf")
        self.stale_answers: Counter[str] = Counter()

    def get(
        self, target: str, environ: Mapping[str, Any], service: str, ask: Callable[[], Reply]
    ) -> Reply:
        """Return a fresh answer, else what ``ask`` returns, and when that fails a stale one.

        A client that has the answer already is told just that.

        Raises:
            ServiceError: as ``ask``, when there is no stale answer.
        """
        asked_at = self._clock.monotonic()
        entry = self._find(target, environ)
        if entry and asked_at < entry.fresh_until and entry.asked_at > self._changed_at:
            return _conditional(_aged(entry, asked_at), environ)
        try:
            reply = ask()
        except _FAILURES:
            stale = self._stale(entry, service)
            if stale is None:
                raise
            return _conditional(stale, environ)
        if reply.status in _FAILED:
            return self._stale(entry, service) or reply
        self._store(target, environ, reply, asked_at)
        return _conditional(reply, environ)

    def expire(self) -> None:
        """Have everything asked for anew: a request that came through here has changed something.

        So whoever changes something sees it, as do all others who come through the same process.
        """
        self._changed_at = self._clock.monotonic()

    def _stale(self, entry: Entry | None, service: str) -> Reply | None:
        now = self._clock.monotonic()
        if entry is None or now - entry.asked_at > self._stale_seconds:
            return None
        self.stale_answers[service] += 1
        return _aged(entry, now, ("X-Stale", "true"))

    def _store(
        self, target: str, environ: Mapping[str, Any], reply: Reply, asked_at: float
    ) -> None:
        fields = {name.lower(): value for name, value in reply.headers}
        control, varies = fields.get("cache-control", "").lower(), fields.get("vary", "")
        life = _LIFE.search(control)
        if reply.status != 200 or not life or "public" not in control or "*" in varies:
            return
        if len(reply.body) > MAX_BYTES:
            return
        self._varies[target] = tuple(name.strip() for name in varies.split(",") if name.strip())
        key = self._key(target, environ)
        self._entries.pop(key, None)
        self._entries[key] = Entry(reply, asked_at, asked_at + int(life[1]))
        if len(self._entries) > MAX_ENTRIES:
            (oldest, *_), _ = self._entries.popitem(last=False)
            self._varies.pop(oldest, None)

    def _find(self, target: str, environ: Mapping[str, Any]) -> Entry | None:
        return self._entries.get(self._key(target, environ)) if target in self._varies else None

    def _key(self, target: str, environ: Mapping[str, Any]) -> Key:
        names = self._varies[target]
        return (
            (target, *(environ.get(wsgi_key(name), "") for name in names)) if names else (target,)
        )


def _aged(entry: Entry, now: float, *marks: tuple[str, str]) -> Reply:
    headers = [*entry.reply.headers, ("Age", str(int(now - entry.asked_at))), *marks]
    return Reply(entry.reply.status, headers, entry.reply.body)


def _conditional(reply: Reply, environ: Mapping[str, Any]) -> Reply:
    known = environ.get("HTTP_IF_NONE_MATCH")
    if not known or reply.status != 200:
        return reply
    tags = [_strong(value) for name, value in reply.headers if name.lower() == "etag"]
    if tags and (known == "*" or tags[0] in map(_strong, known.split(","))):
        return Reply(304, reply.headers, b"")
    return reply


def _strong(tag: str) -> str:
    # Weak and strong tags are alike here (RFC 9110, section 13.1.2).
    return tag.strip().removeprefix("W/")
