"""Runs rime: configuration, plugins, sources and transports, and the `rime` command.

What a plugin needs from here is `hookimpl`; what it may implement is in `rime_app.hooks`.
"""

from rime_app.hooks import hookimpl

__all__ = ["hookimpl"]
