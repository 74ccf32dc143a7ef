"""What is to differ from the protocol's rules for a type of resource: tables `[policies.<type>]` of `rime.toml`.

What the values mean is said in `rime_core.policy`, and of `debounce` in `rime_core.debounce`.
"""

from collections.abc import Mapping
from typing import Any

from rime_app.debounce import KEYS, read_debounce
from rime_app.tables import check_keys, texts_of
from rime_core import Policy, UsageError, by_short_name
from rime_core.policy import ALLOWED


def read_policies(path: str, tables: object) -> dict[str, Policy]:
    """Type URL → policy, of what the key `policies` of the file at `path` has.

    >>> read_policies("rime.toml", {"routes": {"missing": "unanswered"}})

    Raises:
        UsageError: it is no table of tables, a type is unknown or there twice, or a key is unknown or not as it should
            be; the text names it.
    """
    if not isinstance(tables, Mapping) or not all(isinstance(table, Mapping) for table in tables.values()):
        raise UsageError(f"{path}: policies should be tables, one for each type, such as [policies.routes]")
    policies: dict[str, Policy] = {}
    for name, table in tables.items():
        try:
            type_url = by_short_name(name).url
        except ValueError as error:
            raise UsageError(f"{path} [policies]: {error}") from error
        origin = f"{path} [policies.{name}]"
        if type_url in policies:
            raise UsageError(f"{origin}: this type has a table already, by another of its names")
        policies[type_url] = _read_policy(origin, table)
    return policies


def _read_policy(origin: str, table: Mapping[str, Any]) -> Policy:
    check_keys(origin, table, (*ALLOWED, *KEYS))
    words = {key: value for key, value in table.items() if key in ALLOWED}
    for key, value in words.items():
        if value not in ALLOWED[key]:
            *others, last = (f'"{each}"' for each in ALLOWED[key])
            raise UsageError(f"{origin}: {key}={value!r} should be {', '.join(others)} or {last}")
    times = texts_of(origin, {key: value for key, value in table.items() if key in KEYS})
    return Policy(**words, debounce=read_debounce(origin, times, None))
