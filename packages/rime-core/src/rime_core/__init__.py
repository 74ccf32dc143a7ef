"""The kernel of rime: an xDS control plane's state and protocol, without I/O."""
