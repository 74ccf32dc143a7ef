"""The table of methods, against Envoy's own descriptions of its services."""

import pytest

from rime_core import TYPES, VIRTUAL_HOST
from rime_envoy_api.pool import option, pool
from rime_grpc.services import DELTA, METHODS, SOTW

REQUESTS = {
    "envoy.service.discovery.v3.DeltaDiscoveryRequest": DELTA,
    "envoy.service.discovery.v3.DiscoveryRequest": SOTW,
}


@pytest.mark.parametrize("path", METHODS)
def test_a_method_is_what_envoy_calls_by_that_name(path):
    service, _, name = path.removeprefix("/").rpartition("/")
    method = pool().FindServiceByName(service).methods_by_name[name]
    assert (method.client_streaming, method.server_streaming) == ((not METHODS[path].once,) * 2)
    assert REQUESTS[method.input_type.full_name] is METHODS[path].variant


@pytest.mark.parametrize("path", [path for path, method in METHODS.items() if method.type_url])
def test_a_service_serves_the_type_that_it_says_that_it_is_for(path):
    service = pool().FindServiceByName(path.split("/")[1])
    described = option(service, "envoy.annotations.resource").type
    assert METHODS[path].type_url == f"type.googleapis.com/{described}"


def test_every_type_has_both_variants_but_virtual_hosts_which_are_incremental():
    served = [(method.type_url, method.variant) for method in METHODS.values() if not method.once]
    expected = [(url, variant) for url in ("", *(each.url for each in TYPES)) for variant in (DELTA, SOTW)]
    expected.remove((VIRTUAL_HOST, SOTW))
    assert len(served) == len(expected)
    assert all(each in served for each in expected)


def test_nothing_is_left_out_of_a_service_that_is_served():
    services = {path.split("/")[1] for path in METHODS}
    described = {f"/{name}/{method.name}" for name in services for method in pool().FindServiceByName(name).methods}
    assert described == set(METHODS)
