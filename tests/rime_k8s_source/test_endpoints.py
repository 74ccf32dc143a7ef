"""The messages that Envoy is sent for a Service's port."""

import random

import pytest

from rime_envoy_api import resource, to_yaml
from rime_k8s_source.endpoints import assignment, cluster
from rime_k8s_source.services import Port, Service, keep_service, keep_slice

from .objects import endpoint, endpoint_slice, service

WEB = Port("", 80, "TCP", "")
PLAIN = Service((WEB,))


def text_of(message):
    type_url, _, body = resource(message)
    first, _, rest = to_yaml(type_url, body).partition("\n")
    assert first == f"'@type': {type_url}"
    return rest


def cluster_text(service=PLAIN, port=WEB):
    return text_of(cluster("c", service, port))


def assignment_text(*slices, service=PLAIN, port=WEB):
    kept = [found for found in map(keep_slice, slices) if found is not None]
    return text_of(assignment("c", service, port, kept))


def test_a_cluster_takes_its_endpoints_from_the_same_stream():
    assert cluster_text() == (
        "name: c\ntype: EDS\neds_cluster_config:\n  eds_config:\n    ads: {}\n    resource_api_version: V3\n"
    )


@pytest.mark.parametrize(
    ("app_protocol", "option"),
    [
        ("kubernetes.io/h2c", "http2_protocol_options"),
        ("grpc", "http2_protocol_options"),
        ("HTTP2", "http2_protocol_options"),
        ("kubernetes.io/ws", "http_protocol_options"),
        ("http", None),
        ("shop.example/own", None),
        ("", None),
    ],
)
def test_app_protocol_says_which_http_it_is(app_protocol, option):
    text = cluster_text(port=Port("", 80, "TCP", app_protocol))

    assert ("typed_extension_protocol_options" in text) == (option is not None)
    assert option is None or f"    explicit_http_config:\n      {option}: {{}}\n" in text


def test_session_affinity_is_a_ring():
    assert "lb_policy: RING_HASH\n" in cluster_text(Service((WEB,), is_sticky=True))


def test_an_external_name_is_found_by_dns():
    kept = keep_service(service(443, type="ExternalName", externalName="shop.example"))
    assert kept is not None

    assert (
        cluster_text(kept, kept.ports[0])
        == """\
name: c
type: LOGICAL_DNS
load_assignment:
  cluster_name: c
  endpoints:
  - lb_endpoints:
    - endpoint:
        address:
          socket_address:
            address: shop.example
            port_value: 443
"""
    )


def test_zones_are_localities_and_what_ends_is_draining():
    text = assignment_text(
        endpoint_slice(
            endpoint("10.0.0.3", zone="b"),
            endpoint("10.0.0.2", zone="a", ready=False, serving=True, terminating=True),
            endpoint("10.0.0.1", zone="a"),
            endpoint("10.0.0.4"),
        )
    )

    def lb_endpoint(address, more=""):
        return (
            "  - endpoint:\n      address:\n        socket_address:\n"
            f"          address: {address}\n          port_value: 8080\n{more}"
        )

    assert text == (
        "cluster_name: c\nendpoints:\n"
        f"- lb_endpoints:\n{lb_endpoint('10.0.0.4')}"
        "- locality:\n    zone: a\n"
        f"  lb_endpoints:\n{lb_endpoint('10.0.0.1')}{lb_endpoint('10.0.0.2', '    health_status: DRAINING' + chr(10))}"
        "- locality:\n    zone: b\n"
        f"  lb_endpoints:\n{lb_endpoint('10.0.0.3')}"
    )


def test_a_pod_of_both_families_is_one_endpoint_with_two_addresses():
    slices = (
        endpoint_slice(endpoint("fd00::1", pod="a"), endpoint("fd00::2", pod="b"), name="shop-6", family="IPv6"),
        endpoint_slice(endpoint("10.0.0.1", pod="a"), endpoint("10.0.0.3", pod="c"), name="shop-4"),
    )
    text = assignment_text(*slices)

    first, second, third = text.split("  - endpoint:\n")[1:]
    assert first == (
        "      address:\n        socket_address:\n          address: 10.0.0.1\n          port_value: 8080\n"
        "      additional_addresses:\n      - address:\n          socket_address:\n"
        "            address: fd00::1\n            port_value: 8080\n"
    )
    assert "10.0.0.3" in second
    assert "fd00::2" in third
    assert "additional" not in second + third


def test_the_family_that_is_the_services_first_is_the_address():
    slices = (
        endpoint_slice(endpoint("fd00::1", pod="a"), name="shop-6", family="IPv6"),
        endpoint_slice(endpoint("10.0.0.1", pod="a"), name="shop-4"),
    )
    text = assignment_text(*slices, service=Service((WEB,), primary="IPv6"))

    assert text.index("fd00::1") < text.index("additional_addresses") < text.index("10.0.0.1")


def test_addresses_of_both_families_that_nobody_joins_are_endpoints_each():
    text = assignment_text(endpoint_slice("fd00::1", name="shop-6", family="IPv6"), endpoint_slice("10.0.0.1"))

    assert text.count("- endpoint:") == 2


def test_udp_is_udp():
    body = endpoint_slice("10.0.0.1")
    body["ports"][0]["protocol"] = "UDP"

    assert "protocol: UDP" in assignment_text(body, port=Port("", 53, "UDP", ""))
    assert "socket_address" not in assignment_text(body), "a port of TCP is another one"


def test_the_bytes_depend_on_what_there_is_and_not_on_its_order():
    endpoints = [
        endpoint(f"10.0.0.{number % 5}", zone="ab"[number % 2], pod=f"p{number % 3}", ready=number % 4 > 0)
        for number in range(12)
    ]
    chance = random.Random(1)  # noqa: S311 - the same each time
    seen = set()
    for _ in range(20):
        chance.shuffle(endpoints)
        halves = [
            keep_slice(endpoint_slice(*endpoints[:6], name="a")),
            keep_slice(endpoint_slice(*endpoints[6:], name="b")),
        ]
        chance.shuffle(halves)
        seen.add(resource(assignment("c", PLAIN, WEB, [half for half in halves if half is not None])).body)
    assert len(seen) == 1
