import pytest

from rime_k8s_source.kinds import ENDPOINT_SLICES, SECRETS, SERVICES, Kind, Selection

NODES = Kind("", "v1", "nodes", is_namespaced=False)


@pytest.mark.parametrize(
    ("kind", "arguments", "path"),
    [
        (SERVICES, (), "/api/v1/services"),
        (SERVICES, ("shop",), "/api/v1/namespaces/shop/services"),
        (ENDPOINT_SLICES, ("shop",), "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"),
        (NODES, ("shop",), "/api/v1/nodes"),
    ],
)
def test_where_objects_are_found(kind, arguments, path):
    assert kind.path(*arguments) == path


def test_a_kind_is_called_as_kubectl_calls_it():
    assert (SECRETS.resource, ENDPOINT_SLICES.resource) == ("secrets", "endpointslices.discovery.k8s.io")


def test_a_selection_says_what_it_selects():
    assert str(Selection(SERVICES)) == "services"
    assert str(Selection(SECRETS, "shop", "xds", "type=kubernetes.io/tls")) == (
        "secrets with xds and type=kubernetes.io/tls in the namespace shop"
    )
