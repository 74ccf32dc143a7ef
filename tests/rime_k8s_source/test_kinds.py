import pytest

from rime_k8s_source.kinds import ENDPOINT_SLICES, SECRETS, SERVICES, XDS_RESOURCES, Kind, Selection

NODES = Kind("", "v1", "nodes", is_namespaced=False)


@pytest.mark.parametrize(
    ("kind", "arguments", "path"),
    [
        (SERVICES, (), "/api/v1/services"),
        (SERVICES, ("shop",), "/api/v1/namespaces/shop/services"),
        (ENDPOINT_SLICES, ("shop",), "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"),
        (NODES, ("shop",), "/api/v1/nodes"),
        (SERVICES, ("shop", "a"), "/api/v1/namespaces/shop/services/a"),
        (XDS_RESOURCES, ("shop", "a", "status"), "/apis/rime.dev/v1alpha1/namespaces/shop/xdsresources/a/status"),
    ],
)
def test_where_objects_are_found(kind, arguments, path):
    assert kind.path(*arguments) == path


def test_what_the_api_server_is_asked_about_a_kind_and_what_its_objects_say():
    assert (SERVICES.api, SERVICES.api_version) == ("/api/v1", "v1")
    assert (ENDPOINT_SLICES.api, ENDPOINT_SLICES.api_version) == ("/apis/discovery.k8s.io/v1", "discovery.k8s.io/v1")


def test_a_kind_is_called_as_kubectl_calls_it():
    assert (SECRETS.resource, ENDPOINT_SLICES.resource) == ("secrets", "endpointslices.discovery.k8s.io")


def test_a_selection_says_what_it_selects():
    assert str(Selection(SERVICES)) == "services"
    assert str(Selection(SECRETS, "shop", "xds", "type=kubernetes.io/tls")) == (
        "secrets with xds and type=kubernetes.io/tls in the namespace shop"
    )
