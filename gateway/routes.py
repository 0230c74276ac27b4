"""Say which path goes to which service, and who may take it: the one table of the gateway.

A pattern is a path, or one that ends in ``/*`` and stands for that path and all below it.  The
longest pattern that fits wins.  What no pattern fits, such as ``/internal/…``, does not exist here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from chassis.errors import NotFound
from chassis.outbound.caller import Timeouts
from gateway.errors import MethodNotAllowed
from gateway.limits import Limit

GATEWAY: Final = "gateway"
"""The service name of the pages that the gateway serves itself."""


class Access(Enum):
    """Say what becomes of the credentials of a request."""

    PUBLIC = auto()
    """None are needed, and none are passed on."""
    REQUIRED = auto()
    """Without a good token the request ends here; the service verifies it once more."""
    DELEGATED = auto()
    """The service that issues the credentials gets them as they came, and may set cookies."""
    LOCAL = auto()
    """Only clients on this machine may know that the page exists."""


NORMAL: Final = Timeouts(read_seconds=1.0, total_seconds=3.0, slow_seconds=0.5)
# Requests may wait for what the gateway itself asks for.
IMPATIENT: Final = Timeouts(read_seconds=0.4, total_seconds=0.8, slow_seconds=0.4)
# Whoever signs in may stand in line for half a second before a password is checked.
SIGNING_IN: Final = Timeouts(read_seconds=1.5, total_seconds=3.0, slow_seconds=1.2)
# An order waits for other services in turn, so that much of its time is well spent.
CHECKOUT: Final = Timeouts(read_seconds=5.0, total_seconds=5.0, slow_seconds=4.0)


@dataclass(frozen=True, slots=True)
class Route:
    """Send some methods of some paths to a service.

    A ``signed`` route's service checks a signature, so that the rule against cross-site requests
    may rest.  A ``limit`` holds besides the one for all requests.
    """

    pattern: str
    service: str
    methods: frozenset[str]
    access: Access
    timeouts: Timeouts = NORMAL
    signed: bool = False
    limit: Limit | None = None


GET: Final = frozenset({"GET", "HEAD"})
POST: Final = frozenset({"POST"})
UNSAFE: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# An office behind one address may sign in as it arrives; hashing takes a quarter of a core at most.
SIGN_IN: Final = Limit("sign-in", 300, 60)
PUBLIC, REQUIRED, DELEGATED = Access.PUBLIC, Access.REQUIRED, Access.DELEGATED

PAGES: Final = ("/", "/healthz", "/readyz", "/status", "/openapi.json", "/docs", "/static/*")
ROUTES: Final = (
    *(Route(page, GATEWAY, GET, PUBLIC) for page in PAGES),
    Route("/metrics", GATEWAY, GET, Access.LOCAL),
    Route("/auth", "auth", POST, DELEGATED, SIGNING_IN, limit=SIGN_IN),
    Route("/api/v1/auth/*", "auth", GET | UNSAFE - POST, DELEGATED),
    Route("/api/v1/auth/*", "auth", POST, DELEGATED, SIGNING_IN, limit=SIGN_IN),
    Route("/.well-known/jwks.json", "auth", GET, PUBLIC),
    Route("/api/v1/accounts/*", "accounts", GET | {"PATCH", "DELETE"}, REQUIRED),
    Route("/products", "products", GET, REQUIRED),
    Route("/api/v1/products/*", "products", GET, PUBLIC),
    Route("/api/v1/products/*", "products", UNSAFE, REQUIRED),
    Route("/api/v1/cart/*", "orders", GET | UNSAFE, REQUIRED),
    Route("/api/v1/orders/*", "orders", GET, REQUIRED),
    Route("/api/v1/orders/*", "orders", POST, REQUIRED, CHECKOUT),
    Route("/api/v1/payments/*", "payments", GET, REQUIRED),
    Route("/api/v1/payments/webhook", "payments", POST, PUBLIC, signed=True),
    Route("/greet/*", "greetings", GET, PUBLIC),
    Route("/api/hello/*", "greetings", GET, PUBLIC),
    Route("/api/v1/greetings/*", "greetings", GET, PUBLIC),
    Route("/api/v1/greetings/me", "greetings", GET, REQUIRED),
)


class RouteTable:
    """Find the route of a request; made once, asked for each request."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Index the routes by pattern and method."""
        self._patterns: dict[str, dict[str, Route]] = {}
        for route in routes:
            methods = self._patterns.setdefault(route.pattern, {})
            methods.update(dict.fromkeys(route.methods, route))

    def match(self, path: str, method: str) -> Route:
        """Return the route of a normalised path.

        Raises:
            NotFound: no pattern fits the path.
            MethodNotAllowed: the path is known, but not with this method.
        """
        methods = self._patterns.get(path) or self._below(path)
        if method not in methods:
            allowed = ", ".join(sorted(methods))
            raise MethodNotAllowed(f"Use {allowed}.", headers={"Allow": allowed})
        return methods[method]

    def _below(self, path: str) -> dict[str, Route]:
        while not (methods := self._patterns.get(f"{path}/*")):
            if not path:
                raise NotFound("Nothing is at this address.")
            path = path.rpartition("/")[0]
        return methods
