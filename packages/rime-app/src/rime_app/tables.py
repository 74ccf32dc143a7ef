"""What every table of `rime.toml` is checked for."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from rime_core.errors import UsageError


def check_keys(origin: str, table: Iterable[str], known: Sequence[str]) -> None:
    """Whether a table has only keys that are known.

    Raises:
        UsageError: it has another.
    """
    for key in table:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise UsageError(f"{origin}: there is no key {key!r}; {hint}")


def texts_of(origin: str, table: Mapping[str, Any]) -> dict[str, str]:
    """A table's values as the text that options are: `100`, `0.5`, `true`.

    Raises:
        UsageError: one is neither text nor a number nor true or false.
    """
    texts = {}
    for key, value in table.items():
        if not isinstance(value, str | int | float):
            raise UsageError(f"{origin}: {key} should be text, a number, true or false")
        texts[key] = str(value).lower() if isinstance(value, bool) else str(value)
    return texts
