"""Count requests and their durations by route template, as Prometheus text.

Source: the RED method (rate, errors, duration).  Route templates, never paths, are labels, so
that strangers can't make series.
"""

import time

import prometheus_client as prometheus
from flask import Flask, Response, g, request

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Seconds; finer below the deadline of a normal call, which is one second.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class RequestMetrics:
    """Hold the metrics of one application; ``registry`` takes further ones."""

    def __init__(self) -> None:
        """Start counting at zero."""
        self.registry = registry = prometheus.CollectorRegistry()
        labels = ("method", "route", "status")
        name = "http_request_duration_seconds"
        self._requests = prometheus.Counter(
            "http_requests_total", "Requests", labels, registry=registry
        )
        self._durations = prometheus.Histogram(
            name, "Duration", ("route",), buckets=BUCKETS, registry=registry
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request; ``route`` is a template, never a path."""
        method = method if method in _METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._durations.labels(route).observe(seconds)


def init_app(app: Flask) -> None:
    """Measure each request and serve ``/metrics``."""
    metrics = app.extensions["metrics"] = RequestMetrics()

    def start() -> None:
        g.started = time.perf_counter()

    def finish(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "unmatched"
        seconds = time.perf_counter() - g.get("started", 0.0)
        metrics.observe(request.method, route, response.status_code, seconds)
        return response

    def show() -> Response:
        text = prometheus.generate_latest(metrics.registry)
        return Response(text, content_type=prometheus.CONTENT_TYPE_LATEST)

    app.before_request(start)
    app.after_request(finish)
    app.add_url_rule("/metrics", "metrics", show)
