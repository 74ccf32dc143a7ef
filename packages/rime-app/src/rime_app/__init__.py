"""Runs rime: configuration, plugins, sources and transports, and the `rime` command.

What a plugin needs from here is `hookimpl`; what it may implement is in `rime_app.hooks`.
"""

TYPE_CHECKING = False  # as type checkers know it too, without importing typing
if TYPE_CHECKING:
    from rime_app.hooks import hookimpl

__all__ = ["hookimpl"]


def __getattr__(name: str) -> object:
    """`hookimpl`, imported when it is asked for: the program handles signals before it imports anything."""
    if name != "hookimpl":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from rime_app.hooks import hookimpl  # noqa: PLC0415  # see above

    return hookimpl
