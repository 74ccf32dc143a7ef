"""The hook specifications: what a plugin may tell rime.

A plugin is a module that a distribution names in its entry points of the group `rime`; each function of it that is
marked with `hookimpl` and named as one below is a hook. Hooks are synchronous and cheap: `rime --help` calls
`rime_commands` of every plugin, so what is heavy is imported inside the hook or, better, inside what it returns.

docs/plugins.md has an example of each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pluggy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import click

    from rime_core.adapter import Source, Transport
    from rime_core.node import Node, Peer
    from rime_core.permissions import Permissions

PROJECT: Final = "rime"
"""The name that markers, the plugin registry and the entry points' group share."""

hookspec: Final = pluggy.HookspecMarker(PROJECT)
hookimpl: Final = pluggy.HookimplMarker(PROJECT)


@hookspec
def rime_sources() -> Mapping[str, type[Source]]:  # type: ignore[empty-body]  # a specification has no body
    """The kinds of source that this plugin offers, each with its class: `{"file": FileSource}`.

    The kind is what stands before the colon in `--source kind:place`.
    """


@hookspec
def rime_transports() -> Mapping[str, type[Transport]]:  # type: ignore[empty-body]  # a specification has no body
    """The kinds of transport that this plugin offers, each with its class: `{"grpc": GrpcTransport}`."""


@hookspec
def rime_commands() -> Mapping[str, click.Command]:  # type: ignore[empty-body]  # a specification has no body
    """The commands that this plugin adds to `rime`, by the name that is typed: `{"check": check}`."""


@hookspec(firstresult=True)
def rime_group(node: Node, peer: Peer) -> str | None:
    """The group that a client is served from; None leaves it to the next plugin.

    `node` is what the client says of itself, and may be anything; `peer` is what its connection proves: its address,
    and its certificate where the transport verifies one. (pluggy calls a hook that takes `node` alone as well.)

    A group is what sources carry as their option `group`. The rules of rime.toml come first. A client that no plugin
    answers for, or whose group no source writes to, gets what `[serve] unmatched` says, the group `default` unless told
    otherwise; where no source writes to that either, its stream ends. Raising ends the client's stream, and it comes
    back later.
    """


@hookspec
def rime_authorize(node: Node, peer: Peer) -> Permissions | None:
    """What a client may be given, as a `rime_core.permissions.Permissions`; None: everything.

    Every plugin is asked, once for each stream, and so are the rules of rime.toml; what one of them refuses is refused.
    Raising `PeerError(why, code="PERMISSION_DENIED")` refuses the client itself. Raising anything else, here or in what
    is returned, ends its stream as well, so that a plugin that fails gives nothing; the client comes back later.

    `node` and `peer` as for `rime_group`; only `peer` is proven.
    """


@hookspec(firstresult=True)
def rime_references() -> Callable[[str, bytes], Iterable[tuple[str, str]]] | None:
    """A callable for `Plane(references=...)`: which (type URL, name) pairs a resource's body refers to.

    It is asked for once, when `rime serve` starts.
    """
