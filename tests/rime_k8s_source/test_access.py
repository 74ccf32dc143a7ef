import pytest

from rime_core import UsageError
from rime_k8s_source.access import Access, User, in_cluster

POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.fixture
def files(tmp_path):
    for name, text in (("token", "t"), ("ca.crt", "c"), ("namespace", "shop\n")):
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_pod_has_the_server_in_its_environment_and_the_rest_in_files(files):
    assert in_cluster(POD, files) == Access(
        name="in-cluster",
        server="https://10.0.0.1:443",
        user=User(token=files / "token"),
        namespace="shop",
        authority=files / "ca.crt",
    )


def test_an_address_of_ipv6_is_in_brackets(files):
    access = in_cluster(POD | {"KUBERNETES_SERVICE_HOST": "fd00::1"}, files)

    assert access is not None
    assert access.server == "https://[fd00::1]:443"


@pytest.mark.parametrize("missing", list(POD))
def test_elsewhere_there_is_none(missing, files):
    assert in_cluster({name: value for name, value in POD.items() if name != missing}, files) is None


def test_a_pod_without_a_token_is_told_so(tmp_path):
    with pytest.raises(UsageError, match=r"token: there is no such file: .* automountServiceAccountToken"):
        in_cluster(POD, tmp_path)
