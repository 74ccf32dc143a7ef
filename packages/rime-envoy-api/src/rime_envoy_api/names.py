"""What a resource is called."""

from rime_core.type_urls import describe
from rime_envoy_api.pool import Dynamic

_FIELDS = {"envoy.config.endpoint.v3.ClusterLoadAssignment": "cluster_name"}


def name_field(full_name: str) -> str:
    """The field that holds the name of messages of this type."""
    return _FIELDS.get(full_name, "name")


def name_of(message: Dynamic) -> str | None:
    """The name that `message` gives itself; None when messages of its type have none."""
    field = name_field(message.DESCRIPTOR.full_name)
    described = message.DESCRIPTOR.fields_by_name.get(field)
    if described is None or described.type != described.TYPE_STRING or described.is_repeated:
        return None
    name: str = getattr(message, field)
    return name


def describe_resource(type_url: str, name: str | None) -> str:
    """A resource for people: clusters 'backend', or only its type when it has no name."""
    plural = describe(type_url).plural
    return f"{plural} {name!r}" if name else plural
