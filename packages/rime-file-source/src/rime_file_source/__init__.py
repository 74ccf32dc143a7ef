"""A folder of Envoy YAML and JSON as a source of rime."""

from rime_file_source.source import FileSource

__all__ = ["FileSource"]
