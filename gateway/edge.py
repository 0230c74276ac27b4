"""Take every request first: check it, send it on, and answer it.

This is the hot path, so it is plain WSGI.  What it refuses, it refuses with the same problem
documents as every service; the rest it hands to the services, or to the Flask application with the
gateway's own pages.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIApplication

from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]  # Has no types.

from chassis import tracing
from chassis.errors import CrossSiteRequest, Forbidden, Malformed, NotFound, ServiceError, TooLarge
from chassis.inbound import audit
from chassis.inbound.bodies import MAX_BODY_BYTES
from chassis.inbound.cross_site import is_cross_site
from chassis.inbound.identity import token_of
from chassis.inbound.metrics import RequestMetrics
from chassis.inbound.problems import problem_response
from chassis.inbound.tokens import TokenVerifier
from chassis.outbound import deadline
from gateway.admission import check_host, client_address, is_local
from gateway.cache import SharedCache
from gateway.config import Network
from gateway.errors import BodyTooSlow
from gateway.headers import Headers, passed_back, passed_on, wsgi_key
from gateway.limits import Limit, RateLimiter
from gateway.paths import parse_target
from gateway.routes import GATEWAY, UNSAFE, Access, Route, RouteTable
from gateway.upstream import Call, Upstream
from gateway.wire import Reply

Environ = dict[str, Any]

STATUS_LINES: Final = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Edge:
    """Stand between the server and everything else, as a WSGI application.

    ``pages`` is what serves the gateway's own pages, ``cookie`` the name of the one that may hold
    a token, and ``upstreams`` holds the services by name.  Without a ``limit`` for all requests,
    those of the routes do not hold either.
    """

    pages: WSGIApplication
    routes: RouteTable
    allowed_hosts: frozenset[str]
    trusted_proxies: Sequence[Network]
    limiter: RateLimiter
    limit: Limit | None
    verifier: TokenVerifier
    cookie: str
    upstreams: Mapping[str, Upstream]
    metrics: RequestMetrics
    common_headers: Headers
    cache: SharedCache

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        started, method, pattern = time.perf_counter(), environ["REQUEST_METHOD"], "unmatched"
        trace = tracing.begin(_select(environ, tracing.REQUEST_ID_HEADER, "traceparent"))
        try:
            path, target = parse_target(environ["RAW_URI"])
            client = client_address(environ, self.trusted_proxies)
            route = self._admit(environ, path, client)
            pattern = route.pattern
            if route.service == GATEWAY:
                return self._own_page(environ, start_response)
            reply = self._reply(environ, target, route, client)
        except ServiceError as error:
            if isinstance(error, Forbidden):
                audit.record("access", "refused", source=client, code=error.code, path=path)
            reply = refuse(error)
        except Exception:
            # The last resort: the client learns nothing but the request id, the log has the rest.
            logger.exception("unexpected failure")
            reply = refuse(ServiceError("The failure was logged under this request id."))
        self.metrics.observe(method, pattern, reply.status, time.perf_counter() - started)
        headers = [*reply.headers, *self.common_headers]
        headers.append((tracing.REQUEST_ID_HEADER, trace.request_id))
        if method != "HEAD" and reply.status not in {204, 304}:
            headers.append(("Content-Length", str(len(reply.body))))
        start_response(STATUS_LINES.get(reply.status) or f"{reply.status} Unassigned", headers)
        return [] if method == "HEAD" else [reply.body]

    def _admit(self, environ: Environ, path: str, client: str) -> Route:
        """Return the route of a request that may take it, as far as the head can tell."""
        method = environ["REQUEST_METHOD"]
        check_host(environ.get("HTTP_HOST", ""), self.allowed_hosts)
        # Whoever asks whether the gateway lives must not be told to ask less often.
        if self.limit and path not in {"/healthz", "/readyz"}:
            self.limiter.take(client, self.limit)
        route = self.routes.match(path, method)
        if self.limit and route.limit:
            self.limiter.take(client, route.limit)
        if route.access is Access.LOCAL and not is_local(environ):
            raise NotFound("Nothing is at this address.")
        if method in UNSAFE and not route.signed:
            headers = _select(environ, "Authorization", "Host", "Origin", "Sec-Fetch-Site")
            if is_cross_site(method, headers):
                raise CrossSiteRequest("Browsers may only send this from the same site.")
        announced_length(environ)
        return route

    def _reply(self, environ: Environ, target: str, route: Route, client: str) -> Reply:
        """Return what the client is told: for public reads a kept answer, where one will do."""
        method = environ["REQUEST_METHOD"]
        if route.access is Access.PUBLIC and method == "GET":
            return self.cache.get(
                target, environ, route.service,
                lambda: self._forward(environ, target, route, client, whole=True),
            )  # fmt: skip
        reply = self._forward(environ, target, route, client, whole=False)
        if method in UNSAFE:
            self.cache.expire()
        return reply

    def _forward(
        self, environ: Environ, target: str, route: Route, client: str, *, whole: bool
    ) -> Reply:
        method = environ["REQUEST_METHOD"]
        headers = passed_on(environ, whole=whole)
        headers += self._credentials(environ, route.access)
        headers += tracing.outgoing_headers().items()
        headers.append(("X-Forwarded-For", client))
        headers.append(("X-Forwarded-Proto", environ["wsgi.url_scheme"]))
        body = read_body(environ) if method in UNSAFE else b""
        seconds = deadline.parse_seconds(environ.get(wsgi_key(deadline.HEADER)))
        call = Call(method, target, headers, body, route.timeouts, seconds)
        reply = self.upstreams[route.service].ask(call)
        private, cookies = route.access is not Access.PUBLIC, route.access is Access.DELEGATED
        kept = passed_back(reply.headers, private=private, cookies=cookies)
        return Reply(reply.status, kept, reply.body)

    def _credentials(self, environ: Environ, access: Access) -> Headers:
        """Return what the service is told about the caller's identity.

        Raises:
            Unauthenticated: the route requires a token, and there is none or a bad one.
            Unavailable: tokens can't be checked now.
        """
        if access is Access.PUBLIC:
            return []
        carried = _select(environ, "Authorization", "Cookie")
        if access is Access.DELEGATED:
            return list(carried.items())
        token = token_of(carried, self.cookie)
        self.verifier.verify(token)
        return [("Authorization", f"Bearer {token}")]

    def _own_page(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        names = {name for name, _ in self.common_headers}

        def start(status: str, headers: Headers, *exc_info: Any) -> Callable[[bytes], object]:
            kept = [pair for pair in headers if pair[0] not in names]
            return start_response(status, [*kept, *self.common_headers], *exc_info)

        # The pages belong to the same trace and are logged under the same request id.
        for name, value in tracing.outgoing_headers().items():
            environ[wsgi_key(name)] = value
        return self.pages(environ, start)


def announced_length(environ: Environ) -> int:
    """Return how many bytes the body has according to the head; the server has checked the form.

    Raises:
        TooLarge: above ``MAX_BODY_BYTES``.
    """
    text = environ.get("CONTENT_LENGTH") or "0"
    # Python reads no integers of thousands of digits.
    if len(text) > len(str(MAX_BODY_BYTES)) or int(text) > MAX_BODY_BYTES:
        raise TooLarge(f"A body may have {MAX_BODY_BYTES} bytes.")
    return int(text)


def read_body(environ: Environ) -> bytes:
    """Return the whole body: a slow, endless or broken one must not hold a service's thread.

    Raises:
        Malformed: it ended early, or the chunks are broken.
        TooLarge: above ``MAX_BODY_BYTES``.
        BodyTooSlow: the server lost patience.
    """
    length = announced_length(environ)
    if not length and "HTTP_TRANSFER_ENCODING" not in environ:
        return b""
    try:
        body: bytes = environ["wsgi.input"].read(length or MAX_BODY_BYTES + 1)
    except OSError as error:
        raise BodyTooSlow("The body did not arrive in time.") from error
    except ParseException as error:
        raise Malformed("The body is broken.") from error
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge(f"A body may have {MAX_BODY_BYTES} bytes.")
    if len(body) < length:
        raise Malformed("The body is shorter than announced.")
    return body


def refuse(error: ServiceError) -> Reply:
    """Return the answer that tells of an error, and that nobody may store."""
    response = problem_response(error)
    headers = [pair for pair in response.headers if pair[0] != "Content-Length"]
    headers.append(("Cache-Control", "no-store"))
    return Reply(response.status_code, headers, response.get_data())


def _select(environ: Environ, *names: str) -> dict[str, str]:
    """Return those of the named request headers that are there."""
    return {name: environ[key] for name in names if (key := wsgi_key(name)) in environ}
