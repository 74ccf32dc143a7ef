"""kubeconfig files, read as kubectl reads them."""

from pathlib import Path

import pytest
import yaml

from rime_core import UsageError
from rime_k8s_source.access import Access, ExecPlugin, User
from rime_k8s_source.kubeconfig import find, load


@pytest.fixture
def write(tmp_path):
    def write(name="config", *, current="dev", clusters=None, users=None, contexts=None):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": current,
            "clusters": [{"name": key, "cluster": value} for key, value in (clusters or {}).items()],
            "users": [{"name": key, "user": value} for key, value in (users or {}).items()],
            "contexts": [{"name": key, "context": value} for key, value in (contexts or {}).items()],
        }
        path.write_text(yaml.safe_dump(content))
        return path

    return write


CLUSTER = {"server": "https://127.0.0.1:6443"}
CONTEXT = {"cluster": "c", "user": "u"}


@pytest.fixture
def of_user(write):
    return lambda user: load([write(clusters={"c": CLUSTER}, users={"u": user}, contexts={"dev": CONTEXT})]).user


@pytest.fixture
def of_cluster(write):
    return lambda cluster: load([write(clusters={"c": cluster}, users={"u": {}}, contexts={"dev": CONTEXT})])


def line(call, *arguments):
    with pytest.raises(UsageError) as caught:
        call(*arguments)
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    return text


# --- which files -----------------------------------------------------------------------------------------------------


def test_it_is_the_users_own_unless_the_environment_names_others(tmp_path, write):
    own = write(".kube/config")
    one, two = write("one"), write("two")

    assert find({}, tmp_path) == [own]
    assert find({"KUBECONFIG": ""}, tmp_path) == [own]
    assert find({"KUBECONFIG": f"{one}:{tmp_path / 'missing'}::{two}"}, tmp_path) == [one, two]
    assert find({"KUBECONFIG": str(tmp_path / "missing")}, tmp_path) == []


def test_of_several_files_the_first_that_has_an_entry_counts(write):
    one = write("one", current="", clusters={"c": CLUSTER}, contexts={"dev": CONTEXT})
    two = write(
        "two",
        current="dev",
        clusters={"c": {"server": "https://other"}, "d": {"server": "https://d"}},
        users={"u": {"token": "t"}},
        contexts={"live": {"cluster": "d", "user": "u"}},
    )

    assert load([one, two]) == Access("context dev", "https://127.0.0.1:6443", User(token=b"t"))
    assert load([one, two], "live").server == "https://d"


def test_a_context_may_have_no_user_and_a_namespace(write):
    path = write(clusters={"c": CLUSTER}, contexts={"dev": {"cluster": "c", "namespace": "shop"}})

    assert load([path]) == Access("context dev", "https://127.0.0.1:6443", namespace="shop")


def test_paths_are_relative_to_the_file(write, tmp_path):
    cluster = CLUSTER | {"certificate-authority": "ca.crt"}
    user = {"client-certificate": "certs/me.crt", "client-key": str(tmp_path / "me.key"), "tokenFile": "token"}
    access = load([write("deep/config", clusters={"c": cluster}, users={"u": user}, contexts={"dev": CONTEXT})])

    folder = tmp_path / "deep"
    assert access.authority == folder / "ca.crt"
    assert access.user == User(token=folder / "token", certificate=folder / "certs/me.crt", key=tmp_path / "me.key")


# --- the cluster -----------------------------------------------------------------------------------------------------


def test_what_a_cluster_says(of_cluster):
    access = of_cluster(
        {
            "server": "https://h:6443/",
            "certificate-authority": "unused",
            "certificate-authority-data": "Y2E=",
            "tls-server-name": "kubernetes",
            "insecure-skip-tls-verify": True,
            "proxy-url": "http://proxy:3128",
        }
    )

    assert access == Access(
        "context dev",
        "https://h:6443",
        authority=b"ca",
        server_name="kubernetes",
        verify=False,
        proxy="http://proxy:3128",
    )


@pytest.mark.parametrize(
    ("cluster", "why"),
    [
        ({}, "cluster 'c': server is missing"),
        ({"server": "h:6443"}, "cluster 'c': server should be a URL such as https://127.0.0.1:6443"),
        ({"server": 1}, "cluster 'c': server should be a text"),
        (CLUSTER | {"certificate-authority-data": "!"}, "cluster 'c': certificate-authority-data is not base64"),
        (
            CLUSTER | {"proxy-url": "socks5://p"},
            "cluster 'c': proxy-url should be an HTTP proxy: no other kind is supported",
        ),
        (CLUSTER | {"insecure-skip-tls-verify": "no"}, "cluster 'c': insecure-skip-tls-verify should be true or false"),
    ],
)
def test_what_is_wrong_with_a_cluster_is_one_line(cluster, why, of_cluster, tmp_path):
    assert line(of_cluster, cluster) == f"kubernetes: {tmp_path / 'config'}: {why}"


# --- the user --------------------------------------------------------------------------------------------------------


def test_what_a_user_may_come_with(of_user, tmp_path):
    assert of_user({}) == User()
    assert of_user({"token": "t"}) == User(token=b"t")
    assert of_user({"token": "t", "tokenFile": "f"}) == User(token=tmp_path / "f"), "as in kubectl, the file wins"
    assert of_user({"client-certificate-data": "Yw==", "client-key-data": "aw=="}) == User(certificate=b"c", key=b"k")
    assert of_user({"as": "me", "as-uid": "7"}) == User(impersonate={"Impersonate-User": "me", "Impersonate-Uid": "7"})


EXEC = {"apiVersion": "client.authentication.k8s.io/v1", "command": "get-token", "interactiveMode": "Never"}


def test_a_plugin_is_called_as_it_says(of_user, tmp_path):
    assert of_user({"exec": EXEC}).plugin == ExecPlugin("get-token")
    more = {
        "command": "bin/get",
        "args": ["--for", 1],
        "env": [{"name": "A", "value": "b"}],
        "provideClusterInfo": True,
        "installHint": "install it",
        "apiVersion": "client.authentication.k8s.io/v1beta1",
    }
    assert of_user({"exec": EXEC | more}).plugin == ExecPlugin(
        str(tmp_path / "bin/get"),
        ("--for", "1"),
        {"A": "b"},
        "client.authentication.k8s.io/v1beta1",
        provide_cluster=True,
        hint="install it",
    )


@pytest.mark.parametrize(
    ("user", "why"),
    [
        ({"auth-provider": {}}, "auth-provider is not supported, nor by kubectl any more: use exec"),
        (
            {"username": "me", "password": "x"},
            "username is not supported: no API server takes passwords since Kubernetes 1.19",
        ),
        ({"as-groups": ["a"]}, "as-groups is not supported: give the groups to a user"),
        ({"as-user-extra": {"scopes": ["view"]}}, "as-user-extra is not supported"),
        ({"exec": []}, None),
        ({"exec": "x"}, "exec should be a mapping"),
        ({"exec": EXEC | {"command": ""}}, "exec: command is missing"),
        ({"exec": EXEC | {"env": ["A"]}}, "exec: env should be a list of name and value"),
        (
            {"exec": EXEC | {"interactiveMode": "Always"}},
            "exec: interactiveMode is Always, but nobody is there to be asked",
        ),
        (
            {"exec": {"command": "x"}},
            "exec: apiVersion should be client.authentication.k8s.io/v1, not left out",
        ),
    ],
)
def test_what_is_wrong_with_a_user_is_one_line(user, why, of_user, tmp_path):
    if why is None:
        assert of_user(user).plugin is None
    else:
        assert line(of_user, user) == f"kubernetes: {tmp_path / 'config'}: user 'u': {why}"


# --- what is missing -------------------------------------------------------------------------------------------------


def test_what_is_not_there_is_said_with_what_is(write):
    path = write(clusters={"c": CLUSTER}, users={"a": {}, "b": {}}, contexts={"dev": CONTEXT, "bad": {"user": "a"}})

    assert line(load, [path], "live") == f"kubernetes: {path}: there is no context 'live'; there is dev, bad"
    assert line(load, [path]) == f"kubernetes: {path}: there is no user 'u'; there is a, b"
    assert line(load, [path], "bad") == f"kubernetes: {path}: context 'bad': cluster is missing"


def test_without_a_current_context_one_has_to_be_named(write):
    path = write(current="", clusters={"c": CLUSTER}, contexts={"dev": CONTEXT})

    assert line(load, [path]) == f"kubernetes: {path}: there is no current-context: say kubernetes:CONTEXT"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: [", ":2: is not YAML"),
        ("- a", ": is not a kubeconfig"),
        ("", ": is not a kubeconfig"),
        ("users: [a]", ": users should be a list with names"),
        ("users: 1", ": users should be a list with names"),
        ("users: [{name: u, user: [a]}]", ": user 'u' should be a mapping"),
    ],
)
def test_what_is_no_kubeconfig_is_one_line(text, why, tmp_path):
    path = tmp_path / "config"
    path.write_text(text + "\n")

    assert line(load, [path]) == f"kubernetes: {path}{why}"


def test_a_file_that_cannot_be_read_is_named():
    assert line(load, [Path("/nowhere/config")]) == "kubernetes: /nowhere/config: No such file or directory"
