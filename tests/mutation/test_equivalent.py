"""The list of mutants that change nothing: about lines that there are, each once, with a reason."""

from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.run import SOURCES


def test_each_is_about_lines_that_its_module_has():
    for known in EQUIVALENT:
        text = (SOURCES / f"{known.module}.py").read_text(encoding="utf-8")
        lines = "\n".join(line.strip() for line in text.splitlines())

        assert f"\n{known.before}\n" in lines, known
        assert f"\ndef {known.function.rpartition('.')[2]}(" in lines, known
        assert known.why


def test_none_is_listed_twice():
    identities = [each.identity for each in EQUIVALENT]

    assert len(set(identities)) == len(identities)
