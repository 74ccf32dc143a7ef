"""What is in resources, for who looks: without keys, passwords and tokens, and made out once for one look."""

from typing import Final

from rime_core import Resource, SourceError
from rime_envoy_api import to_redacted

LARGEST: Final = 1 << 20
"""Bytes of a body that is told: a larger one would hold up all others for 0.1 s and more."""


class Bodies:
    """What is in the resources that there are at one moment."""

    def __init__(self) -> None:
        self._made: Final[dict[tuple[str, str, str], bytes | None]] = {}
        self.decoded = 0
        """Bytes that were decoded for it."""

    def of(self, resource: Resource) -> bytes | None:
        """What is in it, as a message of the same type; None where nobody can say what of it is secret."""
        key = (resource.type_url, resource.name, resource.version)
        if key not in self._made:
            self._made[key] = self._make(resource)
        return self._made[key]

    def _make(self, resource: Resource) -> bytes | None:
        if len(resource.body) > LARGEST:
            return None
        self.decoded += len(resource.body)
        try:
            return to_redacted(resource.type_url, resource.body)
        except SourceError:
            return None
