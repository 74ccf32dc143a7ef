"""Envoy's whole API for rime: YAML and JSON to canonical bytes and back."""
