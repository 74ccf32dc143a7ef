"""Names by a template, such as `{namespace}/{service}/{port}`."""

import re
from collections.abc import Collection
from typing import Final

from rime_core.errors import UsageError

_PLACE: Final = re.compile(r"\{([^{}]*)\}")


class Template:
    """A text with places in braces.

    Raises:
        UsageError: it has a place of another name than `known`, or lacks one of `needed`; the text names the option.
    """

    def __init__(self, text: str, *, option: str, known: Collection[str], needed: Collection[str]) -> None:
        self._text: Final = text
        found = _PLACE.findall(text)
        rest = _PLACE.sub("", text)
        places = ", ".join(f"{{{place}}}" for place in known)
        if "{" in rest or "}" in rest or not set(found) <= set(known):
            raise UsageError(f"kubernetes: {option}={text!r} should have no other places than {places}")
        for place in needed:
            if place not in found:
                raise UsageError(
                    f"kubernetes: {option}={text!r} should have the place {{{place}}}: names would be equal"
                )

    def fill(self, **values: str) -> str:
        """The text with a value in each place."""
        return _PLACE.sub(lambda place: values[place[1]], self._text)
