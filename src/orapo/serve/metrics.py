"""What the server counts, in Prometheus' format; no text, name or address is in it."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """The counters of one server.

    Args:
        waiting: Says how many studies are written or wait.
    """

    def __init__(self, waiting: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "orapo_http_requests",
            "Answered requests; status 0: the client was gone.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "orapo_http_request_seconds",
            "Time to the end of the answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._model = Histogram(
            "orapo_report_seconds",
            "Time that the model took for one study.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        gauge = Gauge(
            "orapo_studies_waiting", "Studies that are written or wait.", registry=self._registry
        )
        gauge.set_function(waiting)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def written(self, seconds: float) -> None:
        """Count a report."""
        self._model.observe(seconds)

    def text(self) -> bytes:
        """Return all of it."""
        return generate_latest(self._registry)
