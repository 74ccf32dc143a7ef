"""A folder of Envoy YAML and JSON as a source of rime."""
