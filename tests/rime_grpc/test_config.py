import pytest

from rime_core import UsageError
from rime_grpc.config import Config, read


def test_without_options_everything_has_its_default():
    assert read({}) == Config()


def test_each_option_is_read():
    options = {"max_response_bytes": "1MiB", "max_request_bytes": "2MiB", "keepalive": "1m", "insecure": ""}
    assert read(options) == Config(1 << 20, 2 << 20, 60.0, True)


def test_responses_stay_below_what_grpc_clients_take_by_default():
    assert Config().max_response_bytes < 4 << 20


@pytest.mark.parametrize(
    "options",
    [{"max_request_bytes": "0"}, {"max_response_bytes": "10GiB"}, {"keepalive": "0"}, {"keepalive": "99999999h"}],
)
def test_what_could_not_work_is_refused(options):
    with pytest.raises(UsageError, match="should be a"):
        read(options)


def test_an_unknown_option_is_refused():
    with pytest.raises(UsageError, match="there is no option 'keep_alive'; did you mean 'keepalive'"):
        read({"keep_alive": "1m"})
