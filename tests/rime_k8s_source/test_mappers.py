import sys
from importlib.metadata import EntryPoint

import pytest

from rime_core import UsageError
from rime_k8s_source.config import KubernetesOptions
from rime_k8s_source.config_maps import ConfigMapMapper
from rime_k8s_source.mappers import GROUP, installed, mappers_of
from rime_k8s_source.services import ServiceMapper
from rime_k8s_source.tls_secrets import SecretMapper
from rime_k8s_source.xds_resources import XdsResourcesMapper


class Own(ConfigMapMapper):
    def __init__(self):
        super().__init__(labels="own")


MADE = Own()


class Broken:
    def __init__(self):
        raise ValueError("it\nbreaks")


def entries(**found):
    return lambda: [EntryPoint(name, value, GROUP) for name, value in found.items()]


def kinds(options):
    return [type(mapper) for mapper in mappers_of(options)]


def test_the_options_choose_and_the_order_is_fixed():
    assert kinds(KubernetesOptions()) == [ServiceMapper, XdsResourcesMapper]
    assert kinds(KubernetesOptions(services=None, secrets="x", xdsresources=None)) == [SecretMapper]
    assert kinds(KubernetesOptions(secrets="x", configmaps="y")) == [
        ServiceMapper,
        SecretMapper,
        ConfigMapMapper,
        XdsResourcesMapper,
    ]


def test_secrets_and_envoys_own_configuration_may_be_looked_for_elsewhere():
    options = KubernetesOptions(namespaces=("shop",), config_namespaces=("rime",), secrets="x", configmaps="y")
    services, *others = mappers_of(options)

    assert {wanted.namespaces for wanted in services.wanted} == {()}
    assert [{wanted.namespaces for wanted in mapper.wanted} for mapper in others] == [{("rime",)}] * 3


def test_those_of_other_distributions_are_found_by_name_as_a_class_or_ready_made():
    found = entries(own=f"{__name__}:Own", made=f"{__name__}:MADE", other=f"{__name__}:Broken")
    mappers = mappers_of(KubernetesOptions(services=None, xdsresources=None, mappings=("made", "own")), found)

    assert mappers[0] is sys.modules[__name__].MADE
    assert type(mappers[1]).__name__ == "Own"


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (entries(other="x:y"), "kubernetes: there is no mapping 'own' to use; installed: other"),
        (entries(), "kubernetes: there is no mapping 'own' to use; installed: none"),
        (
            lambda: [EntryPoint("own", "x:y", GROUP), EntryPoint("own", "z:y", GROUP)],
            "kubernetes: there is no mapping 'own' to use; there are 2 of this name",
        ),
        (entries(own=f"{__name__}:Broken"), "kubernetes: the mapping 'own' cannot be loaded: it breaks"),
        (entries(own=f"{__name__}:nothing"), None),
    ],
)
def test_what_cannot_be_used_is_one_line(found, line):
    with pytest.raises(UsageError) as caught:
        mappers_of(KubernetesOptions(mappings=("own",)), found)
    assert line is None or str(caught.value) == line
    assert len(str(caught.value).splitlines()) == 1


def test_none_is_installed_with_rime():
    assert list(installed()) == []
