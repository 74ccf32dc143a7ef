"""Serves a rime Plane to Envoy over gRPC: aggregated discovery, incremental."""
