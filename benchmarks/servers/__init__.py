"""The servers under test, each a process of its own, all of which take the same commands."""
