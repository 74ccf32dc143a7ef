"""Mutual TLS between rime and its Envoys, as their options."""

from tests.rime_grpc.certificates import issue_client


def at(files):
    """Where rime listens with these files: the place of a transport, with its options."""
    return "127.0.0.1:0?" + "&".join(f"{option}={path}" for option, path in files.items())


def envoys_files(folder, authority, name):
    """The options of `rime bootstrap` for an Envoy that trusts this authority, and shows what it signed."""
    key, chain = issue_client(authority, name)
    paths = {option: folder / f"{name}-{option}.pem" for option in ("ca", "cert", "key")}
    paths["ca"].write_bytes(authority.cert_pem.bytes())
    paths["cert"].write_bytes(chain)
    paths["key"].write_bytes(key)
    return [text for option, path in paths.items() for text in (f"--tls-{option}", str(path))]
