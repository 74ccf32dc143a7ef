"""Errors for people: one line that says what happened, and what to do."""

import errno
from pathlib import Path

from rime_core import RimeError, UsageError
from rime_ws.errors import (
    UnreachableError,
    cannot_listen,
    cannot_use,
    incomplete,
    insecure_with,
    not_encrypted,
    open_to_all,
)


def test_each_is_one_line_that_says_what_to_do():
    errors = {
        cannot_listen("127.0.0.1:1", OSError(errno.EADDRINUSE, "")): "choose another port",
        cannot_listen("127.0.0.1:1", PermissionError(errno.EACCES, "Permission denied")): "Permission denied",
        cannot_listen("127.0.0.1:1", OSError("no idea")): "no idea",
        not_encrypted("0.0.0.0:1"): "give cert and key, listen on 127.0.0.1, or say insecure=true",
        open_to_all("0.0.0.0:1"): "add token_file=FILE, or client_ca=FILE",
        incomplete("cert", Path("a"), "key"): "add key=FILE",
        insecure_with(Path("a")): "leave one of them out",
        cannot_use("cert", Path("a"), "it is no text"): "cannot use cert=a: it is no text",
    }
    for error, said in errors.items():
        assert isinstance(error, UsageError)
        assert str(error).startswith("ws: ")
        assert said in str(error)
        assert "\n" not in str(error)


def test_what_cannot_be_reached_is_nobodys_usage():
    assert issubclass(UnreachableError, RimeError)
    assert not issubclass(UnreachableError, UsageError)
