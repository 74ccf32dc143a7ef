"""Who asks: tokens and certificates from files that are rotated, and from plugins that are real programs."""

import json
import stat
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import anyio
import pytest

from rime_k8s_source.access import Access, ExecPlugin, User
from rime_k8s_source.backoff import FIRST, LONGEST
from rime_k8s_source.credentials import Authenticator, Credentials
from rime_k8s_source.errors import CredentialsError

pytestmark = pytest.mark.asyncio

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def plugin(tmp_path):
    """A program that notes how it was called, and prints what its file says."""
    program = tmp_path / "get-token"
    program.write_text(
        f"#!{sys.executable}\n"
        "import os, sys\n"
        f"folder = {str(tmp_path)!r}\n"
        "with open(folder + '/calls', 'a') as calls:\n"
        "    calls.write(os.environ['KUBERNETES_EXEC_INFO'] + '\\n')\n"
        "print(open(folder + '/answer').read())\n"
        "sys.exit(int(os.environ.get('STATUS', '0')))\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)

    class Plugin:
        def answers(self, **status):
            answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
            (tmp_path / "answer").write_text(json.dumps(answer))

        def gives(self, token, **more):
            self.answers(token=token, **more)

        def prints(self, text):
            (tmp_path / "answer").write_text(text)

        @property
        def calls(self):
            path = tmp_path / "calls"
            return [json.loads(call) for call in path.read_text().splitlines()] if path.exists() else []

        def user(self, **more):
            return User(plugin=ExecPlugin(str(program), **more))

    return Plugin()


def authenticator(user, now=lambda: NOW, clock=lambda: 1000.0, **access):
    return Authenticator(Access("context dev", "https://h:6443", user, **access), now, clock)


async def fault(user):
    with pytest.raises(CredentialsError) as caught:
        await authenticator(user).current()
    return str(caught.value)


async def test_what_stands_in_the_kubeconfig_is_what_one_comes_with():
    user = User(token=b"t\n", certificate=b"c", key=b"k")

    assert await authenticator(user).current() == Credentials("t", b"c", b"k")


async def test_files_are_read_each_time(tmp_path):
    token, certificate, key = (tmp_path / name for name in ("token", "crt", "key"))
    made = authenticator(User(token=token, certificate=certificate, key=key))
    for number in "12":
        for path in (token, certificate, key):
            path.write_text(number)
        assert await made.current() == Credentials(number, number.encode(), number.encode())


async def test_a_file_that_is_gone_is_one_line(tmp_path):
    assert await fault(User(token=tmp_path / "token")) == (
        f"{tmp_path / 'token'}: the token cannot be read: No such file or directory"
    )


async def test_a_plugin_is_asked_once_for_what_does_not_expire(plugin):
    plugin.gives("t")
    made = authenticator(plugin.user())

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(made.current)
    assert await made.current() == Credentials("t")
    assert plugin.calls == [
        {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "spec": {"interactive": False}}
    ]


async def test_it_is_asked_again_shortly_before_it_expires(plugin):
    now = NOW
    plugin.gives("1", expirationTimestamp="2030-01-01T00:10:00Z")
    made = authenticator(plugin.user(), lambda: now)
    assert await made.current() == Credentials("1")
    plugin.gives("2", expirationTimestamp="2030-01-01T00:20:00Z")
    now += timedelta(minutes=9, seconds=29)
    assert await made.current() == Credentials("1")
    now += timedelta(seconds=1)
    assert await made.current() == Credentials("2")


async def test_it_is_asked_again_when_the_server_refuses_what_it_gave(plugin):
    plugin.gives("1")
    made = authenticator(plugin.user())
    first = await made.current()
    plugin.gives("2")
    made.refused(first)
    second = await made.current()
    made.refused(first)  # another watch that came with the old one

    assert (second, await made.current(), len(plugin.calls)) == (Credentials("2"), Credentials("2"), 2)


async def test_a_plugin_may_give_a_certificate(plugin):
    plugin.answers(clientCertificateData="c", clientKeyData="k")

    assert await authenticator(plugin.user()).current() == Credentials("", b"c", b"k")


async def test_a_certificate_that_is_refused_is_asked_for_again_once_however_many_came_with_it(plugin):
    plugin.answers(clientCertificateData="c1", clientKeyData="k")
    now = 1000.0
    made = authenticator(plugin.user(), clock=lambda: now)
    first = await made.current()
    plugin.answers(clientCertificateData="c2", clientKeyData="k")
    made.refused(first)
    second = await made.current()
    for _ in range(5):
        now += 2 * LONGEST
        made.refused(first)  # another watch that came with the old one
        assert await made.current() == second == Credentials("", b"c2", b"k")
    assert len(plugin.calls) == 2


async def test_a_token_of_a_plugin_that_is_refused_is_asked_for_again_beside_a_certificate_of_the_kubeconfig(plugin):
    plugin.gives("1")
    made = authenticator(replace(plugin.user(), certificate=b"c", key=b"k"))
    made.refused(await made.current())
    plugin.gives("2")
    assert await made.current() == Credentials("2", b"c", b"k")


@pytest.mark.parametrize("status", [{"token": "t"}, {"clientCertificateData": "c", "clientKeyData": "k"}])
async def test_a_plugin_whose_answers_are_refused_again_and_again_is_asked_with_pauses_that_grow(plugin, status):
    now = 1000.0
    asked: list[float] = []
    plugin.answers(**status)
    made = authenticator(plugin.user(), clock=lambda: now)
    for _ in range(400):
        made.refused(await made.current())
        if len(asked) < len(plugin.calls):
            asked.append(now - 1000.0)
        now += 0.5
    pauses = [later - before for before, later in pairwise(asked)]
    assert pauses[0] == 0.5, "the first time at once"
    assert all(before <= later for before, later in pairwise(pauses[1:6]))
    assert all(LONGEST / 2 <= pause <= LONGEST + 1 for pause in pauses[7:])
    assert 10 <= len(asked) <= 20, "in 200 seconds"


async def test_what_was_good_for_a_while_is_asked_for_at_once_when_it_is_refused(plugin):
    now = 1000.0
    plugin.gives("t")
    made = authenticator(plugin.user(), clock=lambda: now)
    for _ in range(8):
        made.refused(await made.current())
    assert len(plugin.calls) == 2
    now += LONGEST
    accepted = await made.current()
    assert len(plugin.calls) == 3
    now += LONGEST + 0.1
    for _ in range(8):
        made.refused(await made.current())
    await made.current()
    assert accepted == Credentials("t")
    assert len(plugin.calls) == 4
    now += FIRST
    await made.current()
    assert len(plugin.calls) == 5, "pauses have begun anew as well"


async def test_one_that_fails_after_a_refusal_is_asked_again_when_there_is_a_request(plugin):
    plugin.gives("1")
    made = authenticator(plugin.user())
    made.refused(await made.current())
    plugin.prints("")
    with pytest.raises(CredentialsError):
        await made.current()
    plugin.gives("2")
    assert await made.current() == Credentials("2")


async def test_it_is_told_of_the_cluster_where_it_wants_to_be(plugin):
    plugin.gives("t")
    await authenticator(
        plugin.user(provide_cluster=True), authority=b"ca", server_name="s", verify=False, proxy="http://p"
    ).current()

    assert plugin.calls[0]["spec"]["cluster"] == {
        "server": "https://h:6443",
        "tls-server-name": "s",
        "insecure-skip-tls-verify": True,
        "proxy-url": "http://p",
        "certificate-authority-data": "Y2E=",
    }


@pytest.mark.parametrize(
    ("printed", "why"),
    [
        ("", "did not print an ExecCredential"),
        ("[]", "did not print an ExecCredential"),
        ('{"apiVersion": "client.authentication.k8s.io/v1"}', "did not print an ExecCredential"),
        (
            '{"apiVersion": "client.authentication.k8s.io/v1", "status": {"token": "t", "expirationTimestamp": "x"}}',
            "did not print an ExecCredential",
        ),
        (
            '{"apiVersion": "client.authentication.k8s.io/v1beta1", "status": {"token": "t"}}',
            "speaks 'client.authentication.k8s.io/v1beta1'; the kubeconfig asks for 'client.authentication.k8s.io/v1'",
        ),
        (
            '{"apiVersion": "client.authentication.k8s.io/v1", "status": {"clientKeyData": "k"}}',
            "gave neither a token nor a certificate with its key",
        ),
    ],
)
async def test_what_it_should_not_print_is_one_line(printed, why, plugin):
    plugin.prints(printed)
    user = plugin.user()

    assert user.plugin is not None
    assert await fault(user) == f"the exec plugin {user.plugin.command!r} {why}"


async def test_a_plugin_that_fails_is_said_with_what_it_says():
    user = User(plugin=ExecPlugin("sh", ("-c", "echo 'log in\nfirst' >&2; exit 3")))

    assert await fault(user) == "the exec plugin 'sh' failed (3): log in first"


async def test_one_that_is_not_installed_is_said_with_the_hint():
    user = User(plugin=ExecPlugin("no-such-program", hint="brew\ninstall it"))

    assert await fault(user) == "the exec plugin 'no-such-program' is not installed: brew install it"


async def test_one_that_cannot_be_run_is_said(tmp_path):
    assert "cannot be run: Permission denied" in await fault(User(plugin=ExecPlugin(str(tmp_path))))


async def test_it_has_its_environment():
    command = "printf '%s' \"$ANSWER\""
    answer = '{"apiVersion": "client.authentication.k8s.io/v1", "status": {"token": "from-env"}}'
    user = User(plugin=ExecPlugin("sh", ("-c", command), {"ANSWER": answer}))

    assert await authenticator(user).current() == Credentials("from-env")
