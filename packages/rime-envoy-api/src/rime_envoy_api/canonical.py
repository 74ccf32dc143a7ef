"""One serialized form for a message, whatever it was made from.

Protobuf writes a map in another order in each process; asking for a deterministic form settles the maps of a message,
but does not reach into what an `Any` holds, which is bytes already. So every `Any` is unpacked, settled itself, and
packed again, the innermost first. Types that can hold no `Any`, at no depth, are not walked.
"""

from functools import cache

from google.protobuf.message import DecodeError, Message

from rime_envoy_api.pool import Dynamic, class_of_type_url

_ANY = "google.protobuf.Any"


def serialize(message: Message) -> bytes:
    """The canonical bytes of `message`; what its `Any`s hold is settled in place.

    An `Any` of a type that Envoy's API does not have, or that cannot be parsed, stays as it is.
    """
    settle(message)
    return message.SerializePartialToString(deterministic=True)


def settle(message: Message) -> None:
    """Give everything that an `Any` holds in `message` its canonical bytes."""
    if not _reaches_any(message.DESCRIPTOR):
        return
    if message.DESCRIPTOR.full_name == _ANY:
        _repack(message)
        return
    for field, value in message.ListFields():
        if field.message_type is not None and _reaches_any(field.message_type):
            for part in _parts(field, value):
                settle(part)


def unpack(packed: Dynamic) -> Dynamic:
    """The message that an `Any` holds, or None when its type is not known or its bytes are not of that type."""
    made = class_of_type_url(packed.type_url)
    if made is None:
        return None
    content = made()
    try:
        content.MergeFromString(packed.value)
    except DecodeError:
        return None
    return content


def _repack(packed: Dynamic) -> None:
    content = unpack(packed)
    if content is not None:
        packed.value = serialize(content)


def _parts(field: Dynamic, value: Dynamic) -> Dynamic:
    if not field.is_repeated:
        return (value,)
    return value.values() if field.message_type.GetOptions().map_entry else value


@cache
def _reaches_any(descriptor: Dynamic) -> bool:
    seen: set[str] = set()
    waiting = [descriptor]
    while waiting:
        next_one = waiting.pop()
        if next_one.full_name == _ANY:
            return True
        if next_one.full_name not in seen:
            seen.add(next_one.full_name)
            waiting.extend(field.message_type for field in next_one.fields if field.message_type is not None)
    return False
