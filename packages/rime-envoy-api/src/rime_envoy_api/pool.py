"""Envoy's messages, in a descriptor pool of this package's own.

A private pool clashes with nobody: a program may have xds-protos, envoy-data-plane or generated code of its own in the
default pool, in another version of the API. The pool is read on first use (about 15 ms) and kept for the life of the
process, with every class that was made from it.
"""

import zlib
from functools import cache
from importlib import resources
from threading import Lock
from typing import Any, Final, TypeAlias

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

AUTHORITY = "type.googleapis.com/"

# A message of a class made at run time, a descriptor, or what they hold: a type checker cannot know their attributes.
Dynamic: TypeAlias = Any


# A source parses in a thread while the first client is decoded in another. `cache` would let both make a pool, and what
# is of one does not fit what is of the other ("Extension doesn't match"), for the life of the process.
_MAKING: Final = Lock()


def pool() -> descriptor_pool.DescriptorPool:
    """The pool with everything in it; made once, whichever thread asks first."""
    with _MAKING:
        return _make_pool()


@cache
def _make_pool() -> descriptor_pool.DescriptorPool:
    packed = resources.files(__package__).joinpath("envoy.binpb.z").read_bytes()
    files = descriptor_pb2.FileDescriptorSet.FromString(zlib.decompress(packed))
    made = descriptor_pool.DescriptorPool()
    for file in files.file:
        made.AddSerializedFile(file.SerializeToString())
    return made


@cache
def message_class(full_name: str) -> type[Dynamic]:
    """The class of the message called `full_name`, such as "envoy.config.cluster.v3.Cluster".

    Raises:
        KeyError: Envoy's API has no such message.
    """
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(full_name))


@cache
def class_with_entries(full_name: str, map_field: str) -> type[Dynamic]:
    """As `message_class`, with one of its maps read as what it is on the wire: a list of its entries, each in bytes.

    A map of 10,000 entries takes protobuf's Python ten times as long, most of it for what is the same in the next
    message.

    Raises:
        KeyError: Envoy's API has no such message, or that has no such map.
    """
    described = message_class(full_name).DESCRIPTOR
    if not _is_map(described.fields_by_name[map_field]):
        raise KeyError(f"{full_name}.{map_field} is no map")
    file = descriptor_pb2.FileDescriptorProto(
        name=f"rime/{full_name}.{map_field}.proto",
        package=f"rime.with_entries.{map_field}.{full_name}",
        syntax="proto3",
        dependency=[described.file.name, *(each.name for each in described.file.dependencies)],
    )
    message = file.message_type.add()
    described.CopyToProto(message)
    field = next(each for each in message.field if each.name == map_field)
    entry = field.type_name.rpartition(".")[2]
    field.type = field.TYPE_BYTES
    field.ClearField("type_name")
    message.nested_type.remove(next(each for each in message.nested_type if each.name == entry))
    pool().AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(f"{file.package}.{message.name}"))


def _is_map(field: Dynamic) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def class_of_type_url(type_url: str) -> type[Dynamic] | None:
    """The class that a type URL stands for, or None when Envoy's API has no such message."""
    try:
        return message_class(type_url.rpartition("/")[2])
    except KeyError:
        return None


def option(described: Dynamic, extension: str) -> Dynamic:
    """What the option `extension` of a field or oneof holds; its default when it is not given.

    Descriptors hand out options of the default pool, which doesn't know Envoy's extensions; so they are read again.
    """
    given = described.GetOptions()
    read: Dynamic = message_class(given.DESCRIPTOR.full_name).FromString(given.SerializeToString())
    return read.Extensions[pool().FindExtensionByName(extension)]
