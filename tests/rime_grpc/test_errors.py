import errno

from rime_core import UsageError
from rime_grpc.errors import cannot_listen, not_an_address, not_loopback


def test_each_is_one_line_that_says_what_to_do():
    errors = [
        cannot_listen("127.0.0.1:1", OSError(errno.EADDRINUSE, "")),
        cannot_listen("127.0.0.1:1", PermissionError(errno.EACCES, "Permission denied")),
        not_an_address("x"),
        not_loopback("0.0.0.0:1"),
    ]
    for error in errors:
        assert isinstance(error, UsageError)
        assert str(error).startswith("grpc: ")
        assert "\n" not in str(error)
    assert "choose another port" in str(errors[0])
    assert "Permission denied" in str(errors[1])
    assert "should look like" in str(errors[2])
    assert "insecure=true" in str(errors[3])
