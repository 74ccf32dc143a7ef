import pytest

from rime_core import RimeError, SourceError
from rime_k8s_source.errors import (
    AbsentError,
    ApiError,
    ExpiredError,
    ForbiddenError,
    NoKindError,
    UnauthorizedError,
    UnreachableError,
    counted,
    one_line,
)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UnreachableError("https://h:6443: Connection refused"), "https://h:6443: Connection refused"),
        (ApiError(500, "etcd is slow"), "the API server answers 500: etcd is slow"),
        (NoKindError(), "the API server has no such kind"),
        (AbsentError(404, "not found"), "the API server answers 404: not found"),
        (ExpiredError(410, "too old"), "the API server answers 410: too old"),
        (UnauthorizedError(401, "Unauthorized"), "the API server does not accept the credentials (401): Unauthorized"),
        (
            ForbiddenError("no", verb="list", resource="secrets", namespace="shop"),
            "the verb 'list' on 'secrets' in the namespace 'shop' is not granted (403): no",
        ),
        (
            ForbiddenError("no", verb="watch", resource="services", namespace=""),
            "the verb 'watch' on 'services' in all namespaces is not granted (403): no",
        ),
    ],
)
def test_each_is_one_line(error, line):
    assert str(error) == line
    assert isinstance(error, SourceError)
    assert isinstance(error, RimeError)


def test_a_text_of_others_is_one_line_that_can_be_shown():
    assert one_line("two\n  lines") == "two lines"
    assert one_line("\x1b[31m") == r"\x1b[31m"
    assert one_line("x" * 400) == f"{'x' * 300}… (400 characters)"


def test_a_text_of_others_tells_no_password_of_a_url():
    assert (
        one_line("407, url='http://me:hunter2@proxy:1/' at https://h/a@b")
        == "407, url='http://proxy:1/' at https://h/a@b"
    )


def test_counts_are_written_as_people_say_them():
    assert [counted(number, "object") for number in (0, 1, 2)] == ["0 objects", "1 object", "2 objects"]
