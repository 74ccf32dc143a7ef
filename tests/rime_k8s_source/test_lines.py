import pytest
from hypothesis import given
from hypothesis import strategies as st

from rime_k8s_source.errors import MalformedError
from rime_k8s_source.lines import Lines


@given(st.lists(st.binary(min_size=1).filter(lambda line: b"\n" not in line)), st.data())
def test_wherever_the_pieces_are_cut_the_lines_are_whole(lines, data):
    text = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)))))
    pieces = [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    reader = Lines()

    assert [line for piece in pieces for line in reader.feed(piece)] == lines


def test_what_has_not_ended_is_not_passed_on():
    reader = Lines()

    assert reader.feed(b'{"type": "ADD') == []
    assert reader.feed(b'ED"}') == []
    assert reader.feed(b"\n") == [b'{"type": "ADDED"}']


def test_empty_lines_are_nothing():
    assert Lines().feed(b"\n\na\n\n") == [b"a"]


def test_a_line_may_have_several_mib():
    line = b"x" * (8 << 20)

    assert Lines().feed(line + b"\n") == [line]


def test_a_line_that_does_not_end_is_no_line():
    reader = Lines(longest=2 << 20)
    reader.feed(b"x" * (2 << 20))

    with pytest.raises(MalformedError, match="a line of more than 2 MiB"):
        reader.feed(b"x")
