"""How long changes are put off: the keys `debounce` and `debounce_max`, of `[serve]` and of `[policies.<type>]`.

What that means is said in `rime_core.debounce`.
"""

from collections.abc import Mapping
from typing import Final

from rime_core.debounce import Debounce
from rime_core.errors import UsageError
from rime_core.options import OptionReader

KEYS: Final = ("debounce", "debounce_max")

LONGER: Final = 10
"""How many times `debounce` is waited at most, where `debounce_max` does not say."""


def read_debounce(origin: str, values: Mapping[str, str], default: Debounce | None) -> Debounce | None:
    """What the two keys say among `values`; the default where they are not there.

    Raises:
        UsageError: one is not as it should be, or `debounce_max` stands alone or is the shorter.
    """
    if "debounce" not in values:
        if "debounce_max" in values:
            raise UsageError(f"{origin}: debounce_max says how long debounce may go on, and needs debounce beside it")
        return default
    read = OptionReader(origin, values)
    quiet = read.duration("debounce", default=0.0)
    max_wait = read.duration("debounce_max", default=quiet * LONGER)
    if max_wait < quiet:
        raise UsageError(
            f"{origin}: debounce_max={values['debounce_max']!r} is shorter than debounce={values['debounce']!r}"
        )
    return Debounce(quiet, max_wait)
