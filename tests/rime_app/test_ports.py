"""The addresses of workers are bound once, by who starts them."""

import socket

import pytest

from rime_app.ports import check_sharing, held
from rime_app.spec import parse_spec
from rime_core.errors import UsageError


def spec(place):
    return parse_spec(f"grpc:{place}", origin=f"--transport grpc:{place}")


def listen(port, *, shared):
    made = socket.socket()
    if shared:  # as gRPC and asyncio do
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        made.bind(("127.0.0.1", port))
        made.listen()
    except OSError:
        made.close()
        raise
    return made


def port_of(found):
    return int(found.place.rpartition(":")[2])


def test_a_port_given_as_0_is_one_port_and_several_can_listen_on_it():
    with held([spec("127.0.0.1:0?max_streams=5")]) as (found,):
        port = port_of(found)
        with listen(port, shared=True), listen(port, shared=True):
            assert port > 0

    assert (found.kind, found.options) == ("grpc", {"max_streams": "5"})


def test_who_only_holds_it_gets_no_connection():
    with held([spec("127.0.0.1:0")]) as (found,), pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port_of(found)))


def test_no_other_program_can_take_a_port_that_is_held():
    with (
        held([spec("127.0.0.1:0")]) as (found,),
        pytest.raises(OSError, match="in use"),
        listen(port_of(found), shared=False),
    ):
        pass


@pytest.mark.parametrize("shared", [False, True])
def test_a_port_that_somebody_has_is_an_error_also_where_they_would_share_it(shared):
    with listen(0, shared=shared) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError) as caught, held([spec(f"127.0.0.1:{port}")]):
            pass

    assert str(caught.value) == (
        f"--transport grpc:127.0.0.1:{port}: grpc: 127.0.0.1:{port} is in use; "
        "stop what listens there, or choose another port (0: any free one)"
    )


def test_two_transports_cannot_have_one_address():
    with held([spec("127.0.0.1:0")]) as (found,), pytest.raises(UsageError, match="in use"), held([found]):
        pass


def test_an_address_that_is_not_this_machine_s_is_said_so():
    with pytest.raises(UsageError, match=r"grpc: cannot listen on 192\.0\.2\.1:0: "), held([spec("192.0.2.1:0")]):
        pass


def test_what_is_no_address_is_the_plugin_s_affair():
    given = parse_spec("pipe:/run/rime", origin="--transport pipe:/run/rime")

    with held([given]) as found:
        assert found == (given,)


def test_connections_that_ended_lately_do_not_keep_it():
    """As after a restart: the side that ends a connection remembers its address for a minute."""
    with listen(0, shared=True) as listening:
        port = listening.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            listening.accept()[0].close()

    with held([spec(f"127.0.0.1:{port}")]), listen(port, shared=True):
        pass


def test_it_is_let_go_at_the_end():
    with held([spec("127.0.0.1:0")]) as (found,):
        pass

    listen(port_of(found), shared=False).close()


def test_a_system_that_cannot_share_a_port_is_said_so(monkeypatch):
    check_sharing()
    monkeypatch.delattr(socket, "SO_REUSEPORT")

    with pytest.raises(UsageError, match=r"no SO_REUSEPORT.*leave workers out"):
        check_sharing()
