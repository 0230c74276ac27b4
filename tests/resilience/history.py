"""Record what clients asked for and heard, and read it back.

Pattern: history of operations (Jepsen): a call is written down before it is made, and again when
its outcome is known.  An answer that got lost, or says no more than that something is away, is
*unknown*: the operation may have happened or not, but only once.
"""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests

# 409 stands for many refusals; with these codes the same request is still under way.
UNDER_WAY = {"in_progress", "cart_being_ordered"}


class Outcome(StrEnum):
    """Say what a client knows of its call."""

    OK = "ok"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Call:
    """Hold one attempt of a client; a key that comes again is the same wish."""

    number: int
    action: str
    user_id: str
    key: str | None
    order_id: str | None
    invoked_at: float
    ended_at: float | None = None
    outcome: Outcome = Outcome.UNKNOWN
    status: int | None = None
    body: Mapping[str, Any] | None = None


def outcome_of(status: int, body: Mapping[str, Any]) -> Outcome:
    """Return what an answer tells of its operation."""
    if status < HTTPStatus.BAD_REQUEST:
        return Outcome.OK
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        return Outcome.UNKNOWN
    return Outcome.UNKNOWN if body.get("code") in UNDER_WAY else Outcome.REFUSED


class Recorder:
    """Append to one history, a line an event; safe to share between threads."""

    def __init__(self, path: Path, opening: Mapping[int, int]) -> None:
        """Begin with the units of each product that there are before anything is asked for."""
        self.path = path
        self._lock = threading.Lock()
        self._number = 0
        self._file = path.open("a", encoding="utf-8")
        self._write({"event": "opening", "units": dict(opening)})

    def call(
        self,
        action: str,
        user_id: str,
        send: Callable[[], requests.Response],
        *,
        key: str | None = None,
        order_id: str | None = None,
    ) -> Call:
        """Make a call, write it down, and return it with its outcome."""
        with self._lock:
            self._number += 1
            number = self._number
        call = Call(number, action, user_id, key, order_id, time.time())
        self._write({"event": "invoke", **vars(call)})
        try:
            answer = send()
        except requests.RequestException as error:
            ended = {"outcome": Outcome.UNKNOWN, "status": None, "body": {"lost": str(error)}}
        else:
            body = _json_object(answer)
            ended = {
                "outcome": outcome_of(answer.status_code, body),
                "order_id": order_id or body.get("id") or body.get("order_id"),
                "status": answer.status_code,
                "body": body,
            }
        ended["ended_at"] = time.time()
        self._write({"event": ended["outcome"], "number": number, **ended})
        return Call(**{**vars(call), **ended})

    def close(self) -> None:
        self._file.close()

    def _write(self, event: Mapping[str, Any]) -> None:
        line = json.dumps(event)
        with self._lock:
            self._file.write(f"{line}\n")
            self._file.flush()


@dataclass(frozen=True)
class History:
    """Hold what was recorded: the units at the beginning, and the calls in their order."""

    opening: Mapping[int, int]
    calls: tuple[Call, ...]

    @classmethod
    def read(cls, path: Path) -> "History":
        """Return the history in a file; a call that never ended is unknown."""
        opening: dict[int, int] = {}
        calls: dict[int, dict[str, Any]] = {}
        for event in _events(path):
            kind = event.pop("event")
            if kind == "opening":
                opening = {int(product): units for product, units in event["units"].items()}
            elif kind == "invoke":
                calls[event["number"]] = event
            else:
                calls[event["number"]].update(event)
        return cls(opening, tuple(_call(fields) for fields in calls.values()))

    def of(self, action: str, *outcomes: Outcome) -> Iterator[Call]:
        """Yield the calls of an action that ended like this."""
        return (c for c in self.calls if c.action == action and c.outcome in outcomes)

    def statuses(self) -> set[int]:
        """Return every status that a client ever saw."""
        return {call.status for call in self.calls if call.status is not None}

    def unresolved(self) -> list[str]:
        """Return the keys of which no client knows what became."""
        resolved = {call.key for call in self.calls if call.outcome is not Outcome.UNKNOWN}
        return sorted({c.key for c in self.calls if c.key and c.key not in resolved})


def _events(path: Path) -> Iterable[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _call(fields: Mapping[str, Any]) -> Call:
    return Call(**{**fields, "outcome": Outcome(fields.get("outcome", Outcome.UNKNOWN))})


def _json_object(answer: requests.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
