"""The metrics of all workers as one answer.

Each worker counts for itself, and starts at 0 when it takes another's place. So a sum of their counters made here would
fall then, which Prometheus takes for a beginning anew, and would see a rate that there never was. What each counts is
told apart instead, by the label `worker`: `sum without (worker) (rate(...))` is right whatever ends. How many resources
there are is the same in each, and is told once.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

SAME_IN_EACH: Final = frozenset(("rime_resources", "rime_source_resources"))
"""What is told as the first worker has it."""


def merge(texts: Mapping[int, str | None]) -> bytes:
    """The metrics of these workers, by number, in the text form of Prometheus; None: it could not be asked.

    The first is the worker whose resources are told.
    """
    up = GaugeMetricFamily("rime_worker_up", "Whether a worker answers.", labels=["worker"])
    families: dict[str, Metric] = {}
    for number, text in texts.items():
        worker = str(number)
        up.add_metric([worker], text is not None)
        for family in text_string_to_metric_families(text or ""):
            into = families.get(family.name)
            if into is None:
                into = families[family.name] = Metric(family.name, family.documentation, family.type)
            elif family.name in SAME_IN_EACH:
                continue
            own = {} if family.name in SAME_IN_EACH else {"worker": worker}
            into.samples.extend(sample._replace(labels={**sample.labels, **own}) for sample in family.samples)
    registry = CollectorRegistry()
    registry.register(_Told([up, *families.values()]))
    return generate_latest(registry)


class _Told(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families: Final = families

    def collect(self) -> Iterable[Metric]:
        return self._families
