"""How fast rime is, measured: `make bench`, and beside its peers `make bench-peers`. docs/performance.md says more."""
