"""Runs rime: configuration, plugins, sources and transports, and the rime command."""
