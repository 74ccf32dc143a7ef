"""The mutants that change nothing anybody can observe, each with its reason: `make mutation` lets these alone survive.

One is known by its module, its function, and the lines that differ, without their indentation: it may move within the
file. A mutant that no longer exists, or that a test finds, fails `make mutation`, so that this list stays true.
"""

from tests.mutation.mutants import Known

EQUIVALENT: tuple[Known, ...] = ()
