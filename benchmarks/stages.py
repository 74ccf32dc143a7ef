"""Where the time of one change goes: each stage between `apply` and the socket by itself, for one of 1,000 streams.

What gRPC does is not in it: that is what the bare server is measured for. Each stage is done for all streams before the
next, so the clock is read twice for a thousand of each.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from benchmarks import resources
from benchmarks.figures import Figure, figure
from benchmarks.machine import wait_until_fast
from rime_core import CLUSTER, Node, Plane
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.messages import DeltaRequest
from rime_envoy_api import message_class, references
from rime_grpc.wire import DeltaDecoder, encode

STREAMS: Final = 1000
N: Final = 200
ROUNDS: Final = 30
STAGES: Final = (
    "apply and wake",
    "take the batch",
    "encode the response",
    "decode the acknowledgement",
    "take it in",
    "drain events",
    "ask for the next time",
)


def measure(progress: Callable[[str], object]) -> Iterator[Figure]:
    """Nanoseconds for each stream, of each stage."""
    progress(f"the stages of a change to {STREAMS:,} streams")
    plane = Plane(references=references)
    templates = [resources.template(CLUSTER, resources.name(number), 1024) for number in range(N)]
    for number, template in enumerate(templates):
        plane.apply(CLUSTER, resources.name(number), template.body(0))
    woken: list[DeltaStream] = []
    streams = [_stream(plane, woken) for _ in range(STREAMS)]
    decoders = [DeltaDecoder() for _ in streams]
    request: Any = message_class("envoy.service.discovery.v3.DeltaDiscoveryRequest")
    took: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for stamp in range(1, ROUNDS + 1):
        woken.clear()
        wait_until_fast()
        clock = [time.perf_counter_ns()]
        plane.apply(CLUSTER, resources.name(stamp % N), templates[stamp % N].body(stamp))
        clock.append(time.perf_counter_ns())
        batches = [stream.responses() for stream in woken]
        clock.append(time.perf_counter_ns())
        for (response,) in batches:
            encode(response)
        clock.append(time.perf_counter_ns())
        answers = [
            request(type_url=CLUSTER, response_nonce=response.nonce).SerializeToString() for (response,) in batches
        ]
        begun = time.perf_counter_ns()
        requests = [decoder.decode(answer) for decoder, answer in zip(decoders, answers, strict=True)]
        clock.append(time.perf_counter_ns())
        for stream, each in zip(woken, requests, strict=True):
            stream.receive(each)
        clock.append(time.perf_counter_ns())
        for stream in streams:
            stream.events()
        clock.append(time.perf_counter_ns())
        for stream in streams:
            stream.due  # noqa: B018 - what is measured
        clock.append(time.perf_counter_ns())
        for place, stage in enumerate(STAGES):
            since = begun if stage == "decode the acknowledgement" else clock[place]
            took[stage].append((clock[place + 1] - since) / STREAMS)
    for stage, values in took.items():
        yield figure(f"stage, {stage}", "rime", N, "ns", values, streams=STREAMS)


def _stream(plane: Plane, woken: list[DeltaStream]) -> DeltaStream:
    """A stream that has everything and waits."""
    stream = DeltaStream(plane.server(), wake=lambda: woken.append(stream), clock=time.monotonic)
    stream.receive(DeltaRequest(CLUSTER, node=Node("n")))
    for response in stream.responses():
        stream.receive(DeltaRequest(CLUSTER, nonce=response.nonce))
    stream.events()
    stream.responses()
    return stream
