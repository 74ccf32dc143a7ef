import errno
from pathlib import Path

from rime_core import UsageError
from rime_grpc.errors import (
    cannot_listen,
    cannot_read,
    cannot_use,
    incomplete,
    insecure_with,
    not_loopback,
)


def test_each_is_one_line_that_says_what_to_do():
    errors = [
        cannot_listen("127.0.0.1:1", OSError(errno.EADDRINUSE, "")),
        cannot_listen("127.0.0.1:1", PermissionError(errno.EACCES, "Permission denied")),
        not_loopback("0.0.0.0:1"),
        incomplete("cert", Path("a"), "key", "its private key"),
        insecure_with(Path("a")),
        cannot_read("cert", Path("a"), "Permission denied"),
        cannot_use("cert", Path("a"), "it has expired; renew it"),
    ]
    for error in errors:
        assert isinstance(error, UsageError)
        assert str(error).startswith("grpc: ")
        assert "\n" not in str(error)
    assert "choose another port" in str(errors[0])
    assert "Permission denied" in str(errors[1])
    assert "give cert and key, listen on 127.0.0.1, or say insecure=true" in str(errors[2])


def test_a_relative_path_is_shown_with_where_it_starts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(cannot_read("cert", Path("a"), "No such file or directory")) == (
        "grpc: cannot read cert=a: No such file or directory "
        f"(a relative path starts where rime was started, {tmp_path})"
    )
    assert str(cannot_read("cert", Path("/a"), "No such file or directory")) == (
        "grpc: cannot read cert=/a: No such file or directory"
    )
