"""Without Go these tests are left out with a line, and with CI they fail."""

import pytest

from .binary import ABSENT, cached, find_go
from .conftest import require_go


def test_without_go_they_are_left_out_and_with_ci_they_fail():
    with pytest.raises(pytest.skip.Exception, match=ABSENT):
        require_go(None, {})
    with pytest.raises(pytest.fail.Exception, match=ABSENT):
        require_go(None, {"CI": "true"})
    assert require_go(("go", "go1.26.0"), {"CI": "true"}) == ("go", "go1.26.0")


@pytest.mark.parametrize(
    ("version", "is_enough"), [("go1.26.8", True), ("go1.25.9", False), ("go2.0", True), ("", False)]
)
def test_a_go_that_is_too_old_is_none(version, is_enough, tmp_path, monkeypatch):
    go = tmp_path / "go"
    go.write_text(f"#!/bin/sh\necho {version}\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_go() == ((str(go), version) if is_enough else None)


def test_what_was_built_is_found_by_what_it_was_built_from(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert cached("go1.26.8") == cached("go1.26.8")
    assert cached("go1.26.8") != cached("go1.27.0")
    assert cached("go1.26.8").is_relative_to(tmp_path)
