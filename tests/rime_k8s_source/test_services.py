"""What is remembered of Services and EndpointSlices, and which clusters and assignments they become."""

import pytest

from rime_core import CLUSTER, ENDPOINT
from rime_envoy_api import message_class
from rime_k8s_source.kinds import ENDPOINT_SLICES, SERVICES
from rime_k8s_source.mapping import Wanted
from rime_k8s_source.services import (
    Endpoint,
    Port,
    Service,
    ServiceMapper,
    keep_endpoint,
    keep_service,
    keep_slice,
)
from rime_k8s_source.template import Template

from .objects import endpoint, endpoint_slice, service

NAMES = Template("{namespace}/{service}/{port}", option="names", known=("namespace", "service", "port"), needed=())
UNIT = ("prod", "shop")


def made(body, *slices, mapper=None):
    """What a Service and its slices become."""
    mapper = mapper or ServiceMapper(NAMES)
    objects = {SERVICES: {UNIT: mapper.keep(SERVICES, body)}}
    if slices:
        objects[ENDPOINT_SLICES] = {
            ("prod", each["metadata"]["name"]): mapper.keep(ENDPOINT_SLICES, each) for each in slices
        }
    return mapper.make(UNIT, objects)


def names(made):
    return [(claim.type_url, claim.name) for claim in made.claims]


def addresses(made, name="prod/shop/80"):
    [claim] = [claim for claim in made.claims if (claim.type_url, claim.name) == (ENDPOINT, name)]
    assignment = message_class("envoy.config.endpoint.v3.ClusterLoadAssignment").FromString(claim.body)
    return [
        (each.endpoint.address.socket_address.address, each.endpoint.address.socket_address.port_value)
        for locality in assignment.endpoints
        for each in locality.lb_endpoints
    ]


# --- what is remembered ----------------------------------------------------------------------------------------------


def test_of_a_service_its_ports_are_remembered_and_what_a_cluster_needs():
    body = service(
        {"name": "web", "port": 80, "protocol": "TCP", "appProtocol": "kubernetes.io/h2c"},
        {"name": "dns", "port": 53, "protocol": "UDP"},
        sessionAffinity="ClientIP",
        ipFamilies=["IPv6", "IPv4"],
    )

    assert keep_service(body) == Service(
        ports=(Port("web", 80, "TCP", "kubernetes.io/h2c"), Port("dns", 53, "UDP", "")),
        is_sticky=True,
        primary="IPv6",
    )


def test_a_service_without_ports_is_nothing():
    assert keep_service(service(clusterIP="None")) is None


def test_an_external_name_counts_only_where_the_type_says_so():
    external = {"externalName": "shop.example"}

    assert keep_service(service(80, **external, type="ExternalName")) == Service(
        (Port("", 80, "TCP", ""),), external="shop.example"
    )
    assert keep_service(service(80, **external)) == Service((Port("", 80, "TCP", ""),))


def test_what_a_cluster_does_not_depend_on_is_no_change():
    other = service(80, clusterIP="10.0.0.7", selector={"app": "shop"})
    other["metadata"]["managedFields"] = [{"manager": "kubectl"}]

    assert keep_service(other) == keep_service(service(80))


def test_a_slice_without_a_service_is_nothing():
    body = endpoint_slice("10.0.0.1")
    body["metadata"]["labels"] = None

    assert keep_slice(body) is None


def test_a_port_of_a_slice_without_a_number_is_none():
    body = endpoint_slice("10.0.0.1")
    body["ports"] = [{"name": "any"}, {"name": "web", "port": 80}]
    kept = keep_slice(body)

    assert kept is not None
    assert kept.ports == (("web", "TCP", 80),)


READY, DRAINING = (True, False), (False, True)


@pytest.mark.parametrize(
    ("conditions", "state"),
    [
        ({}, READY),
        ({"ready": True}, READY),
        ({"ready": None}, READY),
        ({"ready": True, "serving": True, "terminating": False}, READY),
        ({"ready": False}, None),
        ({"ready": False, "serving": False, "terminating": False}, None),
        ({"ready": False, "serving": True, "terminating": True}, DRAINING),
        ({"ready": False, "serving": False, "terminating": True}, None),
        ({"ready": False, "terminating": True}, None),
        ({"ready": False, "serving": True}, None),
        # publishNotReadyAddresses: it is ready whatever else is
        ({"ready": True, "serving": True, "terminating": True}, READY),
    ],
)
def test_an_endpoint_is_served_while_it_is_ready_and_drains_while_it_ends(conditions, state):
    kept = keep_endpoint(endpoint("10.0.0.1", **conditions))

    assert (kept and (kept.is_ready, kept.is_draining)) == state


def test_of_several_addresses_the_first_counts():
    body = endpoint("10.0.0.1", zone="a", pod="p")
    body["addresses"].append("10.0.0.2")

    assert keep_endpoint(body) == Endpoint("10.0.0.1", True, False, "a", "Pod/p")


# --- what becomes of it ----------------------------------------------------------------------------------------------


def test_each_port_is_a_cluster_and_its_assignment():
    two = service({"name": "web", "port": 80}, {"name": "admin", "port": 8001})
    slices = endpoint_slice("10.0.0.1", ports={"web": 8080, "admin": 9000})
    found = made(two, slices)

    assert names(found) == [
        (CLUSTER, "prod/shop/web"),
        (ENDPOINT, "prod/shop/web"),
        (CLUSTER, "prod/shop/admin"),
        (ENDPOINT, "prod/shop/admin"),
    ]
    assert addresses(found, "prod/shop/web") == [("10.0.0.1", 8080)]
    assert addresses(found, "prod/shop/admin") == [("10.0.0.1", 9000)]
    assert (found.troubles, found.warnings) == ([], [])


def test_a_port_without_a_name_is_called_by_its_number():
    assert names(made(service(80))) == [(CLUSTER, "prod/shop/80"), (ENDPOINT, "prod/shop/80")]


def test_a_service_without_endpoints_has_an_assignment_without_any():
    """Envoy then answers 503 at once; without an assignment its cluster would go on warming."""
    assert addresses(made(service(80))) == []


def test_several_slices_are_one_assignment_and_what_is_in_two_is_there_once():
    found = made(
        service(80),
        endpoint_slice("10.0.0.2", "10.0.0.1", name="shop-2"),
        endpoint_slice("10.0.0.3", endpoint("10.0.0.1", ready=False, serving=True, terminating=True), name="shop-1"),
    )

    assert addresses(found) == [("10.0.0.1", 8080), ("10.0.0.2", 8080), ("10.0.0.3", 8080)]


def test_a_named_target_port_that_differs_from_pod_to_pod_is_in_slices_of_its_own():
    found = made(
        service({"name": "web", "port": 80}),
        endpoint_slice("10.0.0.1", name="shop-1", ports={"web": 8080}),
        endpoint_slice("10.0.0.2", name="shop-2", ports={"web": 8081}),
    )

    assert addresses(found, "prod/shop/web") == [("10.0.0.1", 8080), ("10.0.0.2", 8081)]


def test_slices_without_their_service_are_nothing():
    mapper = ServiceMapper(NAMES)
    objects = {ENDPOINT_SLICES: {("prod", "shop-1"): mapper.keep(ENDPOINT_SLICES, endpoint_slice("10.0.0.1"))}}

    assert names(mapper.make(UNIT, objects)) == []


def test_an_external_name_is_a_cluster_alone():
    found = made(service(443, type="ExternalName", externalName="shop.example"))

    assert names(found) == [(CLUSTER, "prod/shop/443")]


def test_endpoints_that_are_host_names_are_left_out_with_a_warning():
    found = made(service(80), endpoint_slice("pod.example", family="FQDN"), endpoint_slice("10.0.0.1", name="shop-2"))

    assert addresses(found) == [("10.0.0.1", 8080)]
    assert found.warnings == ["service prod/shop: endpoints that are host names (addressType FQDN) are left out"]


def test_a_protocol_that_envoy_has_not_is_left_out_with_a_warning():
    found = made(service({"port": 36412, "protocol": "SCTP"}))

    assert (names(found), found.warnings) == ([], ["service prod/shop: port 36412: Envoy has no SCTP; it is left out"])


def test_of_two_ports_with_one_name_the_first_counts_with_a_warning():
    numbers = Template("{service}/{number}", option="names", known=("service", "number"), needed=())
    ports = ({"port": 53, "name": "dns"}, {"port": 53, "name": "dns-udp", "protocol": "UDP"})
    found = made(service(*ports), mapper=ServiceMapper(numbers))

    assert names(found) == [(CLUSTER, "shop/53"), (ENDPOINT, "shop/53")]
    assert found.claims == made(service(ports[0]), mapper=ServiceMapper(numbers)).claims
    assert found.warnings == ["service prod/shop: port dns-udp: 'shop/53' is of a port before this one; it is left out"]


def test_what_envoy_would_refuse_is_a_trouble_that_hides_that_resource():
    body = service(80, type="ExternalName", externalName="shop.example")
    found = made(body, mapper=ServiceMapper(Template("{service}", option="names", known=("service",), needed=())))
    assert names(found) == [(CLUSTER, "shop")]

    found = made(body, mapper=ServiceMapper(Template("", option="names", known=(), needed=())))

    [trouble] = found.troubles
    assert trouble.text.startswith("service prod/shop: clusters: name: ")
    assert (found.claims, trouble.type_url, trouble.name) == ([], CLUSTER, "")


# --- which of them ---------------------------------------------------------------------------------------------------


def test_services_are_selected_by_label_at_the_server_and_slices_by_having_a_service():
    assert ServiceMapper(NAMES, labels="xds=yes").wanted == (
        Wanted(SERVICES, labels="xds=yes"),
        Wanted(ENDPOINT_SLICES, labels="kubernetes.io/service-name"),
    )


@pytest.mark.parametrize(
    ("annotation", "annotations", "is_chosen"),
    [
        ("", None, True),
        ("xds", {"xds": "anything"}, True),
        ("xds", {"xds": ""}, True),
        ("xds", {}, False),
        ("xds=yes", {"xds": "yes"}, True),
        ("xds=yes", {"xds": "no"}, False),
    ],
)
def test_an_annotation_chooses_among_them(annotation, annotations, is_chosen):
    kept = ServiceMapper(NAMES, annotation=annotation).keep(SERVICES, service(80, annotations=annotations))

    assert (kept is not None) == is_chosen


def test_a_slice_belongs_to_its_service_and_a_service_to_itself():
    mapper = ServiceMapper(NAMES)
    kept = mapper.keep(ENDPOINT_SLICES, endpoint_slice("10.0.0.1", service="till"))

    assert list(mapper.units(ENDPOINT_SLICES, ("prod", "till-xyz"), kept)) == [("prod", "till")]
    assert list(mapper.units(SERVICES, UNIT, mapper.keep(SERVICES, service(80)))) == [UNIT]
