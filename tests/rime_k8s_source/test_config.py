import pytest

from rime_core import UsageError
from rime_k8s_source.config import KubernetesOptions, read_options


def test_by_default_all_services_and_xds_resources_of_all_namespaces_are_watched_and_nothing_else():
    assert read_options({}) == KubernetesOptions(
        namespaces=(),
        services="",
        secrets=None,
        configmaps=None,
        xdsresources="",
        status=2.0,
        settle=0.3,
        idle=150.0,
        relist=3600.0,
    )


def test_each_option_is_read():
    options = {
        "kubeconfig": "~/k",
        "namespace": "shop, till,shop",
        "config_namespace": "rime",
        "services": "xds=yes",
        "annotation": "xds",
        "names": "{service}",
        "secrets": "rime.dev/xds",
        "secret_names": "{name}",
        "configmaps": "rime.dev/xds=true",
        "xdsresources": "tier=edge",
        "status": "0",
        "mappings": "one,two",
        "settle": "1s",
        "idle": "90s",
        "relist": "0",
    }
    assert read_options(options) == KubernetesOptions(
        kubeconfig="~/k",
        namespaces=("shop", "till"),
        config_namespaces=("rime",),
        services="xds=yes",
        annotation="xds",
        names="{service}",
        secrets="rime.dev/xds",
        secret_names="{name}",  # noqa: S106 - a name, not a secret
        configmaps="rime.dev/xds=true",
        xdsresources="tier=edge",
        status=0.0,
        mappings=("one", "two"),
        settle=1.0,
        idle=90.0,
        relist=0.0,
    )


def test_services_can_be_left_out_where_there_is_something_else():
    assert read_options({"services": "none", "configmaps": "x"}).services is None
    assert read_options({"services": "none", "xdsresources": "none", "mappings": "x"}).services is None
    assert read_options({"services": "none"}).xdsresources == ""
    assert read_options({"xdsresources": "none"}).xdsresources is None


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"namespaces": "a"}, "kubernetes: there is no option 'namespaces'; did you mean 'namespace'?"),
        ({"idle": "500ms"}, "kubernetes: idle='500ms' should be a duration from 1s to 24h"),
        (
            {"secrets": ""},
            "kubernetes: secrets= needs a label selector, such as secrets=rime.dev/xds: never all of them",
        ),
        (
            {"secrets": " "},
            "kubernetes: secrets= needs a label selector, such as secrets=rime.dev/xds: never all of them",
        ),
        (
            {"configmaps": ""},
            "kubernetes: configmaps= needs a label selector, such as configmaps=rime.dev/xds: never all of them",
        ),
        (
            {"services": "none", "xdsresources": "none"},
            "kubernetes: services=none and xdsresources=none, and nothing else is watched: name secrets or configmaps",
        ),
        (
            {"names": "{namespace}"},
            "kubernetes: names='{namespace}' should have the place {service}: names would be equal",
        ),
        ({"secret_names": "x"}, "kubernetes: secret_names='x' should have the place {name}: names would be equal"),
    ],
)
def test_a_bad_option_is_one_line(options, line):
    with pytest.raises(UsageError) as caught:
        read_options(options)
    assert str(caught.value) == line
