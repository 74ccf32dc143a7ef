"""What tells mypyc how to compile a class, and tells Python nothing."""

from typing import TYPE_CHECKING

__all__ = ["mypyc_attr"]

if TYPE_CHECKING:
    from mypy_extensions import mypyc_attr
else:

    def mypyc_attr(**_attributes):  # noqa: ANN003, ANN201 - what type checkers see is above
        """Leave the class as it is."""
        return lambda decorated: decorated
