"""Traces of changes, for OpenTelemetry: from the commit of a source to each client's acknowledgement.

One trace is one commit: a span `rime.change`, and below it for each client and type that was told of it a span
`rime.delivery`, from the commit to the client's answer, with an event when the response was written. A response may
tell several changes; its span is below the oldest of them. What a client was sent because it asked for it is no change.

Imported where traces are asked for and nowhere else: it loads OpenTelemetry, which is an extra, `rime-ws[otel]`.
"""

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from itertools import islice
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary

import anyio
from opentelemetry import trace

from rime_core import describe
from rime_core.protocol.events import Acknowledged, RejectedResponse
from rime_envoy_api import redact_text
from rime_ws.errors import no_opentelemetry

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext, Tracer

    from rime_core import Connected, Server
    from rime_core.protocol.events import Event
    from rime_core.protocol.messages import DeltaResponse, DiscoveryResponse
    from rime_ws.times import Times

COMMITS: Final = 1000
"""The latest ones, below which deliveries are put."""

IN_FLIGHT: Final = 256
"""Responses of one stream of which it is known when they were written; a stream tells 64 of each type apart."""

LISTED: Final = 20
"""Names of one type in a span."""

FLUSH_WITHIN: Final = 300
"""Milliseconds to hand over what is left at the end; the whole process is to end within a second."""


class _Commit(NamedTuple):
    at: float
    context: "SpanContext"


class _Written(NamedTuple):
    at: float
    resources: int
    size: int


class Tracing:
    """Follows changes; an Observer of clients.

    Args:
        tracer: where the spans come from.
        times: `clock` is that of the clients' streams.
    """

    def __init__(self, tracer: "Tracer", times: "Times") -> None:
        self._tracer: Final = tracer
        self._times: Final = times
        self._commits: Final[deque[_Commit]] = deque(maxlen=COMMITS)
        self._written: Final[WeakKeyDictionary[Connected, dict[str, _Written]]] = WeakKeyDictionary()

    def committed(self, source: str, changed: Mapping[str, Collection[str]], label: str | None) -> None:
        """Something changed: a trace begins."""
        now = self._times.clock()
        attributes: dict[str, Any] = {"rime.source": redact_text(source)}
        if label is not None:
            attributes["rime.version"] = label
        for type_url, names in changed.items():
            attributes[f"rime.changed.{describe(type_url).plural}"] = list(islice(names, LISTED))
            attributes[f"rime.changed.{describe(type_url).plural}.count"] = len(names)
        span = self._tracer.start_span("rime.change", attributes=attributes, start_time=self._nanoseconds(now))
        span.end(self._nanoseconds(now))
        self._commits.append(_Commit(now, span.get_span_context()))

    def wrote(self, connected: "Connected", response: "DeltaResponse | DiscoveryResponse", size: int) -> None:
        """A response is on its way."""
        written = self._written.setdefault(connected, {})
        if len(written) >= IN_FLIGHT:
            del written[next(iter(written))]
        written[response.nonce] = _Written(self._times.clock(), len(response.update.resources), size)

    def happened(self, connected: "Connected", event: "Event") -> None:
        """A client has answered: the delivery of a change is over."""
        if not isinstance(event, Acknowledged | RejectedResponse):
            return
        written = self._written.get(connected, {}).pop(event.nonce, None)
        if event.since is not None:
            self._delivered(connected, event, event.since, written)

    def _delivered(
        self, connected: "Connected", event: Acknowledged | RejectedResponse, since: float, written: _Written | None
    ) -> None:
        parent = next((each.context for each in reversed(self._commits) if each.at <= since), None)
        if parent is not None and not parent.trace_flags.sampled:
            return
        node = connected.stream.node
        span = self._tracer.start_span(
            "rime.delivery",
            trace.set_span_in_context(trace.NonRecordingSpan(parent)) if parent is not None else None,
            start_time=self._nanoseconds(since),
            attributes={
                "rime.client": node.id if node is not None else "",
                "rime.address": connected.stream.peer.address,
                "rime.transport": connected.transport,
                "rime.type": describe(event.type_url).plural,
                "rime.nonce": event.nonce,
            },
        )
        if written is not None:
            sent = {"rime.resources": written.resources, "rime.bytes": written.size}
            span.add_event("sent", sent, self._nanoseconds(written.at))
        if isinstance(event, RejectedResponse):
            span.set_status(trace.StatusCode.ERROR, redact_text(event.message))
        span.end(self._nanoseconds(self._times.clock()))

    def _nanoseconds(self, then: float) -> int:
        """A time of the clock as OpenTelemetry has it."""
        return round((self._times.wall() - (self._times.clock() - then)) * 1e9)


@asynccontextmanager
async def traced(server: "Server", times: "Times") -> AsyncIterator[None]:
    """Trace what changes in all groups of `server` until the block ends, through the provider that the program has set.

    Where it has set none, one is made that sends to a collector, over OTLP and HTTP, as the environment says
    (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_SERVICE_NAME`, `OTEL_TRACES_SAMPLER` and so on).

    Raises:
        UsageError: OpenTelemetry's SDK, or its exporter, is not installed.
    """
    own = None
    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider):
        provider = own = _provider()
    tracing = Tracing(provider.get_tracer("rime"), times)
    observed = list({id(each.clients): each.clients for each in (server, *server.groups.values())}.values())
    for clients in observed:
        clients.observe(tracing)
    try:
        yield
    finally:
        for clients in observed:
            clients.ignore(tracing)
        if own is not None:
            await _flush(own)


def _provider() -> Any:  # noqa: ANN401 - the SDK's, which need not be installed
    try:
        sdk, export, resources = (
            import_module(f"opentelemetry.sdk.{name}") for name in ("trace", "trace.export", "resources")
        )
        otlp = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    except ImportError as error:
        raise no_opentelemetry(error) from error
    named = "OTEL_SERVICE_NAME" in os.environ or "service.name" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    provider = sdk.TracerProvider(
        resource=resources.Resource.create({} if named else {"service.name": "rime"}),
        shutdown_on_exit=False,  # which would wait for a collector that does not answer
    )
    provider.add_span_processor(export.BatchSpanProcessor(otlp.OTLPSpanExporter()))
    return provider


async def _flush(provider: Any) -> None:  # noqa: ANN401 - as above
    """Hand over what is left, if that can be done in time, in a thread that nobody waits for: it blocks."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def flush() -> None:
        provider.force_flush(FLUSH_WITHIN)
        with suppress(RuntimeError):  # the loop is closed by now
            loop.call_soon_threadsafe(done.set)

    Thread(target=flush, daemon=True).start()
    with anyio.move_on_after(FLUSH_WITHIN / 1000, shield=True):
        await done.wait()
