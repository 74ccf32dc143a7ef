from pathlib import Path

import pytest

from rime_core import UsageError
from rime_grpc.config import Config, read


def test_without_options_everything_has_its_default():
    assert read({}) == Config()


def test_each_option_is_read():
    options = {
        "max_response_bytes": "1MiB",
        "max_request_bytes": "2MiB",
        "keepalive": "1m",
        "insecure": "",
        "max_streams": "3",
        "max_streams_per_address": "2",
        "max_names": "5",
        "max_request_rate": "7",
        "first_answers": "1",
        "max_age": "30m",
    }
    expected = Config(
        max_response_bytes=1 << 20,
        max_request_bytes=2 << 20,
        keepalive=60.0,
        insecure=True,
        max_streams=3,
        max_streams_per_address=2,
        max_names=5,
        max_request_rate=7,
        first_answers=1,
        max_age=1800.0,
    )
    assert read(options) == expected


def test_responses_stay_below_what_grpc_clients_take_by_default():
    assert Config().max_response_bytes < 4 << 20


@pytest.mark.parametrize(
    "options",
    [
        {"max_request_bytes": "0"},
        {"max_response_bytes": "10GiB"},
        {"keepalive": "0"},
        {"keepalive": "99999999h"},
        {"first_answers": "0"},
        {"max_streams": "-1"},
    ],
)
def test_what_could_not_work_is_refused(options):
    with pytest.raises(UsageError, match="should be a"):
        read(options)


def test_an_unknown_option_is_refused():
    with pytest.raises(UsageError, match="there is no option 'keep_alive'; did you mean 'keepalive'"):
        read({"keep_alive": "1m"})


TLS = {"cert": "tls.crt", "key": "tls.key", "client_ca": "ca.crt"}


def test_the_files_of_tls_are_read_as_paths():
    config = read(TLS)
    assert (config.cert, config.key, config.client_ca) == (Path("tls.crt"), Path("tls.key"), Path("ca.crt"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["cert"], "cert=tls.crt is of no use without key; add key=FILE, the private key of that certificate"),
        (["cert", "client_ca"], "cert=tls.crt is of no use without key; add key=FILE, the private key"),
        (["key"], "key=tls.key is of no use without cert; add cert=FILE, the certificate of this server"),
        (["client_ca"], "client_ca=ca.crt is of no use without cert; add cert=FILE, the certificate"),
    ],
)
def test_tls_by_halves_is_refused(given, said):
    with pytest.raises(UsageError) as refused:
        read({option: TLS[option] for option in given})
    assert said in str(refused.value)


def test_encrypted_and_insecure_is_refused():
    with pytest.raises(UsageError, match=r"cert=tls\.crt encrypts, and insecure says not to; leave one of them out"):
        read(TLS | {"insecure": "true"})


@pytest.mark.parametrize("option", TLS)
def test_an_empty_path_is_refused_and_never_means_unencrypted(option):
    with pytest.raises(UsageError, match=f"grpc: {option} is empty; write {option}=FILE, or leave it out"):
        read(dict.fromkeys(TLS, "x") | {option: ""})
