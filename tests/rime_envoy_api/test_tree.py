"""YAML is read as Envoy reads it; whatever the text is, one fault at most comes of it."""

import pytest
import yaml

from rime_envoy_api import tree
from rime_envoy_api.tree import Node, Twice, UnreadableError, read_scalar, read_yaml


def plain(node: Node):
    """The tree without its lines."""
    match node.value:
        case dict():
            return {key: plain(value) for key, value in node.value.items()}
        case list():
            return [plain(value) for value in node.value]
        case value:
            return value


def lines(node: Node):
    """The tree with its lines."""
    match node.value:
        case dict():
            return node.line, {key: lines(value) for key, value in node.value.items()}
        case list():
            return node.line, [lines(value) for value in node.value]
        case value:
            return node.line, value


def read(text: str):
    (document,) = read_yaml(text)
    return plain(document)


# What Envoy 1.40 made of each, seen in the config_dump of a bootstrap's node.metadata.
SEEN = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    "0": 0,
    "7": 7,
    "+5": 5,
    "-7": -7,
    "0x10": 16,
    "-0x10": -16,
    "010": 8,
    "-010": -8,
    "007": 7,
    "2147483647": 2147483647,
    "0x7fffffff": 2147483647,
    "-2147483648": -2147483648,
    "2147483648": "2147483648",
    "0xffffffff": "4294967295",
    "-9223372036854775808": "-9223372036854775808",
    "18446744073709551615": "18446744073709551615",
    **{
        text: text
        for text in (
            *("12:30:45", "2024-01-01", "1.5", ".5", "1.", "1e3", "1e400", ".inf", ".NaN", "nan", "Infinity", "5%"),
            *("yEs", "tRue", "nULL", "08", "0o17", "0b11", "1_000", "0x", "0xZZ", "1a", "--", "+", "=", "0.250s"),
            *("5.0.0.1", "99999999999"),
        )
    },
}


@pytest.mark.parametrize(("text", "value"), SEEN.items())
def test_a_plain_scalar_means_what_envoy_made_of_it(text, value):
    found = read_scalar(text)

    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize("text", ['"5"', "'5'", "|-\n  5", ">-\n  5"])
def test_in_quotes_or_as_a_block_everything_is_a_text(text):
    assert read(f"a: {text}") == {"a": "5"}


def test_tags_change_nothing():
    assert read("{a: !!str 5, b: !!binary aGk=, c: !own yes}") == {"a": 5, "b": "aGk=", "c": True}


def test_keys_are_their_own_text():
    assert read("{on: 1, 0x10: 2, 12:30: 3, 1: 4}") == {"on": 1, "0x10": 2, "12:30": 3, "1": 4}


def test_a_key_that_is_to_be_ignored_is_left_out_and_its_anchors_count():
    assert read("!ignore shared: &a {x: 1}\nuse: *a") == {"use": {"x": 1}}


def test_a_merge_key_is_a_key_like_any_other():
    assert read("a: &a {x: 1}\nb: {<<: *a}") == {"a": {"x": 1}, "b": {"<<": {"x": 1}}}


def test_the_value_of_an_entry_stands_where_its_key_does():
    (document,) = read_yaml("a:\n  - 1\n  - b:\n      c: &x\n        deep\nd:\n  *x\n")

    assert lines(document) == (1, {"a": (1, [(2, 1), (3, {"b": (3, {"c": (4, "deep")})})]), "d": (6, "deep")})


def test_a_key_given_twice_is_the_fault_of_that_key_alone():
    assert read("a: 1\nb: 2\na: 3") == {"a": Twice(1), "b": 2}


def test_every_document_counts_and_one_that_says_nothing_does_not():
    assert [plain(document) for document in read_yaml("---\na: 1\n---\n---\n# nothing\n---\nb: 2\n...\n")] == [
        {"a": 1},
        {"b": 2},
    ]
    assert read_yaml("# nothing\n") == read_yaml("") == []


def test_an_anchor_ends_with_its_document():
    with pytest.raises(UnreadableError, match=r"no anchor &a"):
        read_yaml("a: &a 1\n---\nb: *a\n")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: [", 3, "not YAML: while parsing a flow node"),
        ("a: 1\n  b: 2", 2, "not YAML: mapping values are not allowed"),
        ("a: 1\n\tb: 2", 2, "not YAML: "),
        ("a: 1\nb: \0", 2, "not YAML: the character 0x00 is not allowed"),
        ("a: 1\n\nb: \x07", 3, "not YAML: the character 0x07 is not allowed"),
        ("a: 1\nb: \ud800", 2, "not YAML: "),
        ("a: 1\nb: *c", 2, "not YAML: no anchor &c ends before this *c"),
        ("a: &a\n  b: *a", 2, "not YAML: no anchor &a ends before this *a"),
        ("? [a]\n: b", 1, "a key must be a text"),
        ("a: 1\n&x b: &x 2\n*x : 3", 3, "a key must be a text"),
    ],
)
def test_what_cannot_be_read_is_one_fault_with_its_line(text, line, message):
    with pytest.raises(UnreadableError) as caught:
        read_yaml(text)

    assert caught.value.line == line
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
@pytest.mark.parametrize("depth", [tree.MAX_DEPTH + 1, 100_000])
def test_deep_nesting_is_a_fault_not_a_crash(opening, depth):
    with pytest.raises(UnreadableError, match=r"nested deeper than 100 levels|not YAML"):
        read_yaml(opening * depth)


def test_the_greatest_depth_is_read():
    depth = tree.MAX_DEPTH

    assert read("[" * depth + "]" * depth) is not None


def test_aliases_cannot_hide_depth():
    chain = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 200))

    with pytest.raises(UnreadableError, match="nested deeper than 100 levels") as caught:
        read_yaml(chain)
    assert caught.value.line == 100


def test_depth_is_measured_where_an_anchor_is_used_not_where_it_stands():
    side_by_side = "a: &a [[[x]]]\n" + "".join(f"b{n}: &b{n} [*a]\n" for n in range(200))

    assert len(read(side_by_side)) == 201


def test_what_is_deep_elsewhere_makes_no_anchor_deep():
    deep = "[" * 60 + "]" * 60

    assert read(f"deep: {deep}\nshallow: &s x\nuse: {'[' * 60}*s{']' * 60}")["shallow"] == "x"


def test_an_anchor_inside_an_anchor_does_not_hide_the_outer_depth():
    deep = "[" * 60 + "]" * 60

    with pytest.raises(UnreadableError, match="nested deeper than 100 levels"):
        read_yaml(f"outer: &o [{deep}, &i x]\nuse: {'[' * 60}*o{']' * 60}")


def test_aliases_cannot_multiply_without_bound():
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30))

    with pytest.raises(UnreadableError, match="its aliases stand for more than 1,000,000 further values"):
        read_yaml(bomb)


def test_the_parser_without_libyaml_reads_the_same(monkeypatch):
    text = "a: [1, yes, 'no']\nb: |\n  t\n"
    with_libyaml = read(text)
    monkeypatch.setattr(tree, "_Parser", yaml.Loader)

    assert read(text) == with_libyaml == {"a": [1, True, "no"], "b": "t\n"}
