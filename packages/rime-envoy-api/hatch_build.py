"""Make `envoy.binpb.z`: the descriptors of Envoy's whole v3 API, from xds-protos, which only the build needs.

xds-protos at run time would install top-level packages of others (`envoy`, `google`, `opentelemetry`, `validate` ...)
that clash with other distributions. What is kept of it is one file: a `google.protobuf.FileDescriptorSet`, every file
after those it imports, compressed with zlib (570 KB become 125 KB; unpacking takes 2.5 ms).
"""

import importlib
import re
import zlib
from collections.abc import Iterator
from importlib.metadata import files
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import FileDescriptor
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

TARGET = "src/rime_envoy_api/envoy.binpb.z"
# Where the messages are that configuration names; what these import comes along.
ROOTS = ("envoy/", "xds/", "udpa/")
# Types that an Any may hold although no file of Envoy's imports them.
WELL_KNOWN = ("any", "duration", "empty", "field_mask", "struct", "timestamp", "wrappers")
# Envoy refuses resources of its v2 API since 1.17; to know them would only let a mistake through.
RETIRED = re.compile(r"^envoy\..*\bv2(alpha\d*)?\b")


class DescriptorSetHook(BuildHookInterface):  # type: ignore[type-arg] # the parameter is hatchling's own configuration
    """Writes the descriptor set before a wheel, an sdist or an editable install is made."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - the signature is hatchling's
        """Write the file; it is listed as an artifact in pyproject.toml."""
        Path(self.root, TARGET).write_bytes(zlib.compress(_descriptor_set(), 9))


def _descriptor_set() -> bytes:
    ordered: dict[str, bytes] = {}

    def add(file: FileDescriptor) -> None:
        if file.name not in ordered:
            for dependency in file.dependencies:
                add(dependency)
            ordered[file.name] = file.serialized_pb

    for module in _modules():
        file = importlib.import_module(module).DESCRIPTOR
        if not RETIRED.match(file.package):
            add(file)
    found = descriptor_pb2.FileDescriptorSet()
    for serialized in ordered.values():
        found.file.add().ParseFromString(serialized)
    return found.SerializeToString(deterministic=True)


def _modules() -> Iterator[str]:
    for path in sorted(str(path) for path in files("xds-protos") or ()):
        if path.startswith(ROOTS) and path.endswith("_pb2.py"):
            yield path.removesuffix(".py").replace("/", ".")
    for name in WELL_KNOWN:
        yield f"google.protobuf.{name}_pb2"
