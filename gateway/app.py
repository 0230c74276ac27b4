"""Compose the gateway."""

from flask import Flask

from chassis.clock import Clock, SystemClock
from chassis.inbound.app import AUDIENCE, create_flask
from chassis.inbound.identity import cookie_name
from chassis.inbound.keyset import KeySet, RemoteKeySet
from chassis.inbound.tokens import TokenVerifier
from chassis.outbound.breaker import OFTEN_TRIED, BreakerPolicy
from gateway import pages, status
from gateway.cache import SharedCache
from gateway.config import Config
from gateway.edge import Edge
from gateway.headers import security_headers
from gateway.limits import RateLimiter, general_limit
from gateway.routes import GATEWAY, ROUTES, RouteTable
from gateway.upstream import Upstream


def create_app(
    config: Config | None = None, *, key_set: KeySet | None = None, clock: Clock | None = None
) -> Flask:
    """Return the application; without a configuration it is read from the environment."""
    config = config or Config.from_environ()
    clock = clock or SystemClock()
    app = create_flask("gateway", config)
    policy = BreakerPolicy(open_seconds=config.breaker_open_seconds)
    upstreams = {
        name: Upstream(name, getattr(config, f"{name}_url"), policy, config.max_concurrent, clock)
        for name in sorted({route.service for route in ROUTES} - {GATEWAY})
    }
    # Apart from what people ask auth for, which may keep it busy.
    issuer = Upstream("auth (keys)", config.auth_url, OFTEN_TRIED, config.max_concurrent, clock)
    app.extensions["issuer"] = issuer
    key_set = key_set or RemoteKeySet(issuer.fetch_json, config, clock)
    cache = SharedCache(clock, config.stale_seconds)
    pages.init_app(app)
    status.init_app(app, upstreams, cache, clock)
    app.wsgi_app = Edge(  # type: ignore[method-assign]
        pages=app.wsgi_app,
        routes=RouteTable(ROUTES),
        allowed_hosts=frozenset(name.lower() for name in config.allowed_hosts),
        trusted_proxies=config.trusted_proxies,
        limiter=_limiter(app, config, clock),
        limit=general_limit(config.rate_limit) if config.rate_limit > 0 else None,
        verifier=TokenVerifier(key_set, issuer=config.issuer, audience=AUDIENCE, clock=clock),
        cookie=cookie_name(production=config.production),
        upstreams=upstreams,
        metrics=app.extensions["metrics"],
        cache=cache,
        common_headers=security_headers(production=config.production),
    )
    return app


def _limiter(app: Flask, config: Config, clock: Clock) -> RateLimiter:
    if not config.redis_url:
        return RateLimiter(clock)
    # Late: it takes 10 MB, which are of no use without Redis.
    from gateway.shared_limits import SharedLimiter  # noqa: PLC0415

    return SharedLimiter(app, config.redis_url, clock)
