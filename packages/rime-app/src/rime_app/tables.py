"""What every table of `rime.toml` is checked for."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

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
