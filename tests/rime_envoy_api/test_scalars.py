"""Single values: what each kind of field takes, and what it says of anything else."""

import math

import pytest

from rime_envoy_api.pool import message_class
from rime_envoy_api.scalars import UnfitError, describe_value, read_duration, read_text, read_timestamp, reader_of
from rime_envoy_api.tree import Node, Twice, Value


def field(name, message="google.protobuf.FieldOptions"):
    return message_class(message).DESCRIPTOR.fields_by_name[name]


def wrapped(kind):
    return reader_of(field("value", f"google.protobuf.{kind}Value"))


PROTOCOL = reader_of(field("protocol", "envoy.config.core.v3.SocketAddress"))
POLICY = reader_of(field("lb_policy", "envoy.config.cluster.v3.Cluster"))


@pytest.mark.parametrize(
    ("read", "value", "result"),
    [
        (wrapped("UInt32"), 5, 5),
        (wrapped("UInt32"), "5", 5),
        (wrapped("UInt32"), "1e3", 1000),
        (wrapped("UInt32"), "12.0", 12),
        (wrapped("UInt32"), 12.0, 12),
        (wrapped("UInt32"), 4294967295, 4294967295),
        (wrapped("Int32"), -(2**31), -(2**31)),
        (wrapped("Int64"), "-9223372036854775808", -(2**63)),
        (wrapped("UInt64"), "18446744073709551615", 2**64 - 1),
        (wrapped("Double"), 1, 1.0),
        (wrapped("Double"), "1.5e-3", 0.0015),
        (wrapped("Double"), "Infinity", math.inf),
        (wrapped("Bool"), True, True),
        (wrapped("Bool"), "true", True),
        (wrapped("Bool"), "Yes", True),
        (wrapped("Bool"), "0", False),
        (wrapped("String"), "x", "x"),
        (wrapped("Bytes"), "aHVzaA==", b"hush"),
        (wrapped("Bytes"), "aHVzaA", b"hush"),
        (wrapped("Bytes"), "-_8=", b"\xfb\xff"),
        (POLICY, "RING_HASH", 2),
        (POLICY, "ring_hash", 2),
        (POLICY, 2, 2),
        (POLICY, "2", 2),
    ],
)
def test_what_fits_is_taken(read, value, result):
    found = read(value)

    assert (type(found), found) == (type(result), result)


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        (wrapped("UInt32"), -1, "wants a whole number from 0 to 4294967295, not the number -1"),
        (wrapped("UInt32"), 2**32, "wants a whole number from 0 to 4294967295, not the number 4294967296"),
        (wrapped("UInt32"), "1e400", "wants a whole number from 0 to 4294967295, not the text '1e400'"),
        (wrapped("UInt32"), "1e999999999", "wants a whole number from 0 to 4294967295, not the text '1e999999999'"),
        (wrapped("UInt32"), "12.5", "wants a whole number, not the text '12.5'"),
        (wrapped("UInt32"), 12.5, "wants a whole number, not the number 12.5"),
        (wrapped("UInt32"), " 5", "wants a whole number, not the text ' 5'"),
        (wrapped("UInt32"), True, "wants a whole number, not the boolean true"),
        (wrapped("UInt32"), [], "wants a whole number, not a list"),
        (wrapped("UInt32"), math.inf, "wants a whole number from 0 to 4294967295, not the number inf"),
        (
            wrapped("UInt64"),
            "9" * 60,
            "wants a whole number from 0 to 18446744073709551615, not the text '" + "9" * 37 + "...'",
        ),
        (wrapped("Double"), "nan", "wants a number, not the text 'nan'"),
        (wrapped("Double"), False, "wants a number, not the boolean false"),
        (wrapped("Float"), "1e39", "wants a number up to 3.4e+38, not the text '1e39'"),
        (wrapped("Bool"), 1, "wants true or false, not the number 1"),
        (wrapped("Bool"), "maybe", "wants true or false, not the text 'maybe'"),
        (wrapped("String"), 5, "wants a text, not the number 5: put it in quotes"),
        (wrapped("String"), True, "wants a text, not the boolean true: put it in quotes"),
        (wrapped("String"), {}, "wants a text, not a mapping"),
        (wrapped("String"), None, "wants a text, not nothing"),
        (wrapped("Bytes"), "a b!", "wants bytes in base64: another kind of text may belong into `inline_string`"),
        (wrapped("Bytes"), "a", "wants bytes in base64: another kind of text may belong into `inline_string`"),
        (POLICY, "ROUND_ROBBIN", "LbPolicy has no such value as the text 'ROUND_ROBBIN': did you mean ROUND_ROBIN?"),
        (PROTOCOL, 4, "Protocol has no such value as the number 4: one of TCP, UDP"),
        (PROTOCOL, "quic", "Protocol has no such value as the text 'quic': one of TCP, UDP"),
    ],
)
def test_what_does_not_fit_says_what_the_field_wants(read, value, message):
    with pytest.raises(UnfitError) as caught:
        read(value)

    assert str(caught.value) == message


def test_a_number_that_an_enum_does_not_define_is_refused_even_in_quotes():
    for value in (99, "99", True, -1):
        with pytest.raises(UnfitError, match="LbPolicy has no such value"):
            POLICY(value)


@pytest.mark.parametrize(
    ("text", "seconds", "nanoseconds"),
    [("5s", 5, 0), ("0.25s", 0, 250_000_000), ("-1.5s", -1, -500_000_000), ("0.000000001s", 0, 1)],
)
def test_durations(text, seconds, nanoseconds):
    assert read_duration(text) == (seconds, nanoseconds)


@pytest.mark.parametrize("text", ["1 s", "1", "1m", "s", ".5s", "1.s", "+1s", "1e3s", "1.0123456789s", "1S", "٣s", ""])
def test_texts_that_are_no_duration(text):
    with pytest.raises(UnfitError, match=r"wants a duration, not the text .*: write it as 5s or 0.25s"):
        read_duration(text)


def test_a_bare_number_gets_its_unit_suggested():
    with pytest.raises(UnfitError, match=r"^wants a duration, not the number 5: write 5s$"):
        read_duration(5)


def test_a_duration_has_an_end():
    assert read_duration("315576000000s") == (315_576_000_000, 0)
    with pytest.raises(UnfitError, match="of at most 315576000000s"):
        read_duration("315576000001s")


@pytest.mark.parametrize(
    ("text", "seconds", "nanoseconds"),
    [
        ("1970-01-01T00:00:00Z", 0, 0),
        ("2026-01-31T12:00:00.5Z", 1_769_860_800, 500_000_000),
        ("2026-01-31T14:00:00+02:00", 1_769_860_800, 0),
    ],
)
def test_points_in_time(text, seconds, nanoseconds):
    assert read_timestamp(text) == (seconds, nanoseconds)


@pytest.mark.parametrize(
    "value", ["2026-01-31", "2026-13-01T00:00:00Z", "2026-01-31T12:00:00", "0001-01-01T00:00:00+23:59", 5]
)
def test_what_is_no_point_in_time(value):
    with pytest.raises(UnfitError, match=r"wants a point in time, not .*: write it as 2026-01-31T12:00:00Z"):
        read_timestamp(value)


def test_values_are_described_for_people():
    values: list[Value] = [None, True, 1, "x", [], {"a": Node(1, 1)}, Twice(4)]

    assert [describe_value(value) for value in values] == [
        "nothing",
        "the boolean true",
        "the number 1",
        "the text 'x'",
        "a list",
        "a mapping",
        "two values: it is given twice, first in line 4",
    ]
    assert describe_value("x" * 1_000) == f"the text {'x' * 37 + '...'!r}"
    assert read_text("x" * 1_000) == "x" * 1_000
