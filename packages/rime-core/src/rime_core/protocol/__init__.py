"""The xDS protocol, sans I/O: requests in, responses and events out."""
