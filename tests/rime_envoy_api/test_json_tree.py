"""JSON is read as JSON: no octal numbers, no bare words, fractions stay numbers."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rime_envoy_api.json_tree import read_json
from rime_envoy_api.tree import MAX_DEPTH, Twice, UnreadableError
from tests.rime_envoy_api.test_tree import lines, plain

documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), documents, max_size=4), st.sampled_from([None, 2]))
def test_it_reads_what_the_standard_library_writes(value, indent):
    try:
        text = json.dumps(value, indent=indent)
    except UnicodeEncodeError:
        return
    (document,) = read_json(text)

    assert plain(document) == value


def test_escaped_surrogate_pairs_are_one_character():
    (document,) = read_json(r'{"a": "\ud83d\ude00"}')

    assert plain(document) == {"a": "😀"}


def test_lines_are_kept():
    (document,) = read_json('{\n "a": [\n  1,\n  2],\n "b":\n  {}}')

    assert lines(document) == (1, {"a": (2, [(3, 1), (4, 2)]), "b": (5, {})})


def test_a_key_given_twice_is_the_fault_of_that_key_alone():
    (document,) = read_json('{"a": 1,\n"a": 2, "b": 3}')

    assert plain(document) == {"a": Twice(1), "b": 3}


@pytest.mark.parametrize("text", ["", " \n", "null", "\ufeff"])
def test_nothing_is_no_document(text):
    assert read_json(text) == []


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("{", 1, """not JSON: it ends where '"' belongs"""),
        ('{"a": 1}\n{', 2, "not JSON: there is more after the end"),
        ('{"a":\n01}', 2, "not JSON: ',' belongs here, not '1'"),
        ('{"a": ', 1, "not JSON: it ends where a value belongs"),
        ('{"a": yes}', 1, "not JSON: a value belongs here, not 'y'"),
        ("{a: 1}", 1, """not JSON: '"' belongs here, not 'a'"""),
        ('{"a": [1\n2]}', 2, "not JSON: ',' belongs here, not '2'"),
        ('{"a": [1,]}', 1, "not JSON: a value belongs here, not ']'"),
        ('{"a": "\n"}', 1, "not JSON: Invalid control character at"),
        ('{"a": "x', 1, "not JSON: Unterminated string starting at"),
        (r'{"a": "\ud800"}', 1, "not JSON: half of a surrogate pair is no character"),
        ("[" * 100_000, 1, f"nested deeper than {MAX_DEPTH} levels"),
        ('{"a":' * 100_000, 1, f"nested deeper than {MAX_DEPTH} levels"),
    ],
)
def test_what_cannot_be_read_is_one_fault_with_its_line(text, line, message):
    with pytest.raises(UnreadableError) as caught:
        read_json(text)

    assert (caught.value.line, str(caught.value)) == (line, message)


def test_a_number_of_any_length_is_read_at_once():
    (document,) = read_json('{"a": ' + "9" * 1_000_000 + "}")

    assert plain(document) == {"a": float("inf")}
