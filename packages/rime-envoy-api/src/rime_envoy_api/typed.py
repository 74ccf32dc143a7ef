"""A typed message, of protobuf or of envoy-data-plane, as a resource."""

import sys
from typing import NamedTuple

from google.protobuf.message import DecodeError, Message

from rime_core.errors import SourceError
from rime_envoy_api.canonical import serialize
from rime_envoy_api.document import show_path
from rime_envoy_api.names import describe_resource, name_of
from rime_envoy_api.pool import AUTHORITY, Dynamic, class_of_type_url
from rime_envoy_api.rules import violations


class EnvoyResource(NamedTuple):
    """What `Plane.apply` takes: `plane.apply(*resource(cluster))`."""

    type_url: str
    name: str
    body: bytes


def resource(message: object) -> EnvoyResource:
    """The resource that `message` is: its type URL, the name it gives itself, and its canonical bytes.

    `message` is of protobuf, of any descriptor pool, or of envoy-data-plane. The bytes are the same whichever it is,
    and in every process.

    Raises:
        TypeError: it is neither.
        SourceError: Envoy would refuse it: it has no name, or breaks a rule of Envoy's API; the text names each field.
    """
    full_name, encoded = _encoded(message)
    made = class_of_type_url(full_name)
    if made is None:
        raise SourceError(f"Envoy's v3 API has no message {full_name}: give its name and bytes to apply() yourself")
    try:
        own = made.FromString(encoded)
    except DecodeError as error:
        raise SourceError(f"the message's bytes are not those of a {full_name} of Envoy's v3 API") from error
    type_url = AUTHORITY + full_name
    body = serialize(own)
    name = name_of(own)
    wrong = [f"{show_path(path)}: {complaint}" if path else complaint for path, complaint in violations(own)]
    if not name and not wrong:
        wrong = ["it has no name"]
    if wrong:
        raise SourceError(f"{describe_resource(type_url, name)}: {'; '.join(wrong)}")
    return EnvoyResource(type_url, name or "", body)


def _encoded(message: Dynamic) -> tuple[str, bytes]:
    """The full name of the message's type, and its bytes in whatever form its library gives them."""
    if isinstance(message, Message):
        return message.DESCRIPTOR.full_name, message.SerializePartialToString()
    # Each module that betterproto2 generates has the pool that its messages are registered in.
    pool = getattr(sys.modules.get(type(message).__module__), "default_message_pool", None)
    type_url = getattr(pool, "type_to_url", {}).get(type(message))
    if type_url is None:
        raise TypeError(
            f"a message of protobuf or of envoy-data-plane is wanted, such as a Cluster, not {type(message).__name__}"
        )
    return type_url.rpartition("/")[2], bytes(message)
