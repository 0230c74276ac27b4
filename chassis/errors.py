"""Name the kinds of failure that a caller can be told about.

::

    ServiceError
    ├── Malformed             400  cannot be read
    ├── Unauthenticated       401  no identity, or none that can be used
    ├── Declined              402  somebody else refused to pay
    ├── Forbidden             403  known, but not allowed
    ├── NotFound              404  absent, or not the caller's to see
    ├── Conflict              409  not in the present state
    ├── TooLarge              413  more than is accepted
    ├── UnsupportedMediaType  415  not JSON, or encoded
    ├── Invalid               422  readable, but not acceptable
    ├── TooManyRequests       429  too fast
    ├── BadUpstream           502  a neighbour answered rubbish
    ├── Unavailable           503  a neighbour, or this service, can't serve now
    └── DeadlineExceeded      504  the time for the answer has passed

A service derives its own errors from a kind and gives them a ``code`` and a ``title``.
:mod:`chassis.inbound.problems` is the one place that turns them into HTTP answers.
"""

import math
from collections.abc import Mapping
from typing import Any


class ServiceError(Exception):
    """Carry everything that a problem document (RFC 9457) says about a failure.

    ``code`` names the type of problem in snake case; ``title`` is its short, constant summary;
    ``detail`` explains this occurrence; further keywords become members of the document.
    """

    status = 500
    code = "internal_error"
    title = "Internal error"

    def __init__(
        self, detail: str | None = None, *, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        """Describe one occurrence; ``headers`` travel with the answer."""
        super().__init__(detail or self.title)
        self.detail = detail or f"{self.title}."
        self.headers = dict(headers or {})
        self.members = members


class Malformed(ServiceError):
    """Refuse what cannot be read at all."""

    status = 400
    code = "malformed"
    title = "Malformed request"


class Unauthenticated(ServiceError):
    """Refuse a caller whose token is present and unusable, whatever the cause."""

    status = 401
    code = "invalid_token"
    title = "Authorization token is invalid"


class MissingToken(Unauthenticated):
    """Refuse a caller who gave no token."""

    code = "missing_token"
    title = "Authorization token is missing"


class Declined(ServiceError):
    """Report that a third party refused."""

    status = 402
    code = "declined"
    title = "Declined"


class Forbidden(ServiceError):
    """Refuse a known caller who lacks the right."""

    status = 403
    code = "forbidden"
    title = "Forbidden"


class CrossSiteRequest(Forbidden):
    """Refuse an unsafe request that another site made the browser send."""

    code = "cross_site_request"
    title = "Cross-site request refused"


class NotFound(ServiceError):
    """Report that nothing is there, or nothing that this caller may see."""

    status = 404
    code = "not_found"
    title = "Not found"


class Conflict(ServiceError):
    """Refuse what the present state does not allow."""

    status = 409
    code = "conflict"
    title = "Conflict"


class TooLarge(ServiceError):
    """Refuse a body above the limit."""

    status = 413
    code = "content_too_large"
    title = "Content too large"


class UnsupportedMediaType(ServiceError):
    """Refuse a body in another format or with a content coding."""

    status = 415
    code = "unsupported_media_type"
    title = "Unsupported Media Type"


class Invalid(ServiceError):
    """Refuse what can be read but breaks a rule; ``errors`` maps each field to its messages."""

    status = 422
    code = "invalid"
    title = "Invalid input"


class TooManyRequests(ServiceError):
    """Ask the caller to slow down."""

    status = 429
    code = "too_many_requests"
    title = "Too many requests"


class BadUpstream(ServiceError):
    """Report that a neighbour's answer could not be used."""

    status = 502
    code = "bad_upstream"
    title = "A service behind this one gave an unusable answer"


class EventRefused(Invalid):
    """Report that nobody will ever take this event as it is."""

    code = "event_refused"
    title = "The event was refused"


class Unavailable(ServiceError):
    """Report that the work can't be done now, and when to try again."""

    status = 503
    code = "unavailable"
    title = "Temporarily unavailable"

    def __init__(
        self, detail: str | None = None, *, retry_after_seconds: float = 1.0, **members: Any
    ) -> None:
        """Set ``Retry-After`` to whole seconds, rounded up and at least one."""
        whole = max(1, math.ceil(retry_after_seconds))
        super().__init__(detail, headers={"Retry-After": str(whole)}, **members)
        self.retry_after_seconds = retry_after_seconds


class NotAsked(Unavailable):
    """Report that a neighbour was not even asked: nothing can have taken effect there."""


class DeadlineExceeded(ServiceError):
    """Report that the answer did not come in time."""

    status = 504
    code = "deadline_exceeded"
    title = "Deadline exceeded"
