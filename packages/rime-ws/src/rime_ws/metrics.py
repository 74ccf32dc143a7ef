"""What there is, how clients stand and what they were sent, as metrics for Prometheus.

What is now is counted when somebody asks. What was sent and what became of it are sums (`rime_core.traffic`), which the
core keeps from when there is somebody who tells them.
"""

from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, SummaryMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from rime_core import describe
from rime_core.traffic import DELAYS
from rime_envoy_api import redact_text
from rime_ws.client_feeds import key_of
from rime_ws.standing import STATES, standing, worst
from rime_ws.status_feed import groups_of, sources_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Metric

    from rime_core import Server
    from rime_core.traffic import Traffic

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST


class Metrics:
    """The metrics of one server, and of this process."""

    def __init__(self, server: "Server") -> None:
        self._registry: Final = CollectorRegistry()
        self._registry.register(_Planes(server))
        self._registry.register(_Clients(server))
        self._registry.register(_Traffic(server.clients.traffic()))
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """All of them, in the text form that Prometheus reads."""
        return generate_latest(self._registry)


class _Planes(Collector):
    """What there is in each group, and where it comes from."""

    def __init__(self, server: "Server") -> None:
        self._server: Final = server

    def collect(self) -> "Iterable[Metric]":
        """As it is now."""
        resources = GaugeMetricFamily("rime_resources", "Resources that there are.", labels=["group", "type"])
        changes = CounterMetricFamily("rime_changes", "Commits that changed something.", labels=["group"])
        ready = GaugeMetricFamily("rime_ready", "Whether clients are answered.", labels=["group"])
        held = GaugeMetricFamily("rime_held_removals", "Removals that wait.", labels=["group"])
        labels = ["group", "source"]
        source_ready = GaugeMetricFamily(
            "rime_source_ready", "Whether a source has delivered its first full state.", labels=labels
        )
        incomplete = GaugeMetricFamily(
            "rime_source_incomplete", "How many things a source cannot read now.", labels=labels
        )
        source_resources = GaugeMetricFamily("rime_source_resources", "Resources that a source writes.", labels=labels)
        staleness = GaugeMetricFamily(
            "rime_source_staleness_seconds", "Since what a source delivered was last known to be true.", labels=labels
        )
        debounced = SummaryMetricFamily(
            "rime_debounce_seconds", "How long changes were put off, to be told together.", labels=["group", "type"]
        )
        listening = GaugeMetricFamily("rime_transport_listening", "Whether clients can connect.", labels=["transport"])
        for transport in self._server.transports:
            listening.add_metric([redact_text(transport.name)], transport.listens_at is not None)
        for group, server in groups_of(self._server).items():
            status = server.status()
            for type_url, there in server.snapshot().items():
                resources.add_metric([group, describe(type_url).plural], len(there))
            changes.add_metric([group], status.sequence)
            ready.add_metric([group], status.ready)
            held.add_metric([group], len(status.held))
            for delay in status.delays:
                debounced.add_metric([group, describe(delay.type_url).plural], delay.waits, delay.seconds)
            for writer in sources_of(status):
                source = [group, redact_text(writer.name)]
                source_ready.add_metric(source, writer.ready)
                incomplete.add_metric(source, len(writer.incomplete))
                source_resources.add_metric(source, writer.resources)
                if writer.staleness is not None:
                    staleness.add_metric(source, writer.staleness)
        return [
            resources, changes, ready, held, debounced,
            source_ready, incomplete, source_resources, staleness, listening,
        ]  # fmt: skip


class _Clients(Collector):
    """How many clients there are, and how they stand."""

    def __init__(self, server: "Server") -> None:
        self._server: Final = server

    def collect(self) -> "Iterable[Metric]":
        """As it is now."""
        streams: Counter[tuple[str, str]] = Counter()
        types: Counter[tuple[str, str]] = Counter()
        clients = set()
        counts: dict[str, Counter[str]] = {key: Counter() for key in ("unacknowledged", "rejections", "holds")}
        for connected in self._server.clients:
            key = key_of(connected)
            if key is None:
                continue
            clients.add(key)
            stands = list(standing(connected.stream, str))
            streams[connected.transport, worst(each["state"] for each in stands)] += 1
            for each in stands:
                types[each["type"], each["state"]] += 1
                for what, count in counts.items():
                    count[each["type"]] += each.get(what, 0)
        connected_now = GaugeMetricFamily("rime_clients", "Clients that are connected, by node and address.")
        connected_now.add_metric([], len(clients))
        return [
            connected_now,
            _states(
                "rime_streams", "Streams of clients, by the worst that is to be said of them.", "transport", streams
            ),
            _states("rime_subscriptions", "Types that clients ask for, by how they stand with it.", "type", types),
            _counts("rime_unacknowledged", "Responses on their way to clients.", counts["unacknowledged"]),
            _counts(
                "rime_rejected",
                "Versions that clients refused, and accepted nothing in place of.",
                counts["rejections"],
            ),
            _counts("rime_held", "Resources that are held back from clients, for the sake of order.", counts["holds"]),
        ]


_BOUNDS: Final = (*map(str, DELAYS), "+Inf")


class _Traffic(Collector):
    """What clients were sent, and what became of it."""

    def __init__(self, traffic: "Traffic") -> None:
        self._traffic: Final = traffic

    def collect(self) -> "Iterable[Metric]":
        """The sums as they are now."""
        labels = ["transport", "type"]
        responses = CounterMetricFamily("rime_sent", "Responses that were sent.", labels=labels)
        resources = CounterMetricFamily("rime_sent_resources", "Resources in them.", labels=labels)
        sizes = CounterMetricFamily("rime_sent_bytes", "Bytes of them, before TLS and HTTP/2.", labels=labels)
        acknowledged = CounterMetricFamily("rime_acknowledgements", "Responses that were accepted.", labels=labels)
        rejected = CounterMetricFamily("rime_rejections", "Responses that were refused.", labels=labels)
        delays = HistogramMetricFamily(
            "rime_propagation_seconds", "From when a change is told to a client's acknowledgement of it.", labels=labels
        )
        for (transport, type_url), flow in self._traffic.flows.items():
            each = [transport, describe(type_url).plural]
            responses.add_metric(each, flow.responses)
            resources.add_metric(each, flow.resources)
            sizes.add_metric(each, flow.bytes)
            acknowledged.add_metric(each, flow.acknowledged)
            rejected.add_metric(each, flow.rejected)
            buckets = [(bound, float(count)) for bound, count in zip(_BOUNDS, accumulate(flow.delays), strict=True)]
            delays.add_metric(each, buckets, flow.delay)
        return [responses, resources, sizes, acknowledged, rejected, delays]


def _states(name: str, what: str, label: str, counts: "Counter[tuple[str, str]]") -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, what, labels=[label, "state"])
    for each in sorted({each for each, _ in counts}):
        for state in STATES:
            family.add_metric([each, state], counts[each, state])
    return family


def _counts(name: str, what: str, counts: "Counter[str]") -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, what, labels=["type"])
    for each in sorted(counts):
        family.add_metric([each], counts[each])
    return family
