"""One source or transport in one line."""

import pytest

from rime_app.spec import SourceSpec, Spec, as_source, parse_spec
from rime_core.errors import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("file:conf", Spec("file", "conf")),
        ("file:/etc/envoy/conf.d", Spec("file", "/etc/envoy/conf.d")),
        ("file:conf?quiet=100ms", Spec("file", "conf", {"quiet": "100ms"})),
        ("file:conf?quiet=100ms&settle=1s", Spec("file", "conf", {"quiet": "100ms", "settle": "1s"})),
        ("kubernetes:", Spec("kubernetes", "")),
        ("kubernetes:?namespace=shop", Spec("kubernetes", "", {"namespace": "shop"})),
        ("grpc:[::1]:18000", Spec("grpc", "[::1]:18000")),
        ("grpc:127.0.0.1:0", Spec("grpc", "127.0.0.1:0")),
        ("database:postgres://db/shop", Spec("database", "postgres://db/shop")),
        ("k8s_like-2:x", Spec("k8s_like-2", "x")),
        ("file:what%3F/50%25", Spec("file", "what?/50%")),
        ("file:50% off", Spec("file", "50% off")),
        ("file:a+b", Spec("file", "a+b")),
        ("file:caf%C3%A9", Spec("file", "café")),
        ("file:conf?filter=a%26b%3Dc", Spec("file", "conf", {"filter": "a&b=c"})),
        ("file:conf?filter=a=b", Spec("file", "conf", {"filter": "a=b"})),
        ("file:conf?filter=a?b", Spec("file", "conf", {"filter": "a?b"})),
        ("file:conf?recursive", Spec("file", "conf", {"recursive": ""})),
        ("file:conf?", Spec("file", "conf")),
    ],
)
def test_what_a_specification_says(text, expected):
    assert parse_spec(text, origin="--source") == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("conf", "should be kind:place?key=value, such as file:conf"),
        ("", "should be kind:place"),
        (":conf", "should be kind:place"),
        (r"C:\conf", "should be kind:place"),
        ("./conf:x", "should be kind:place"),
        ("file:conf?=1", "'=1' should be key=value"),
        ("file:conf?quiet=1s&quiet=2s", "quiet is given twice"),
        ("file:%FF", "'%FF' is not UTF-8"),
    ],
)
def test_what_is_no_specification_says_what_one_is(text, complaint):
    with pytest.raises(UsageError) as raised:
        parse_spec(text, origin=f"--source {text}")

    assert str(raised.value).startswith(f"--source {text}: ")
    assert complaint in str(raised.value)


def test_a_specification_is_called_by_kind_and_place():
    assert parse_spec("file:conf?quiet=1s", origin="").name == "file:conf"


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("postgres://rime:hunter2@db/shop", "postgres://rime:***@db/shop"),
        ("postgres://:hunter2@db/shop", "postgres://:***@db/shop"),
        ("postgres://db:5432/shop@v2", "postgres://db:5432/shop@v2"),
        ("/etc/a:b@c", "/etc/a:b@c"),
    ],
)
def test_a_password_in_a_place_is_for_the_plugin_alone(place, shown):
    spec = parse_spec(f"database:{place}", origin=f"--source database:{place}")
    assert spec.place == place
    assert spec.name == f"database:{shown}"
    assert spec.origin == f"--source database:{shown}"


def test_rimes_own_options_do_not_reach_the_plugin():
    source = as_source(parse_spec("file:conf?group=edge&allow_empty&quiet=1s", origin=""))

    assert source == SourceSpec("file", "conf", {"quiet": "1s"}, group="edge", allow_empty=True)


def test_a_source_is_of_the_default_group_and_must_not_be_empty():
    source = as_source(parse_spec("file:conf", origin=""))

    assert (source.group, source.allow_empty) == ("default", False)


def test_a_wrong_value_of_rimes_own_option_says_where_it_stands():
    with pytest.raises(UsageError, match=r"^rime\.toml: file: allow_empty='perhaps' should be true or false$"):
        as_source(Spec("file", "conf", {"allow_empty": "perhaps"}, origin="rime.toml"))
