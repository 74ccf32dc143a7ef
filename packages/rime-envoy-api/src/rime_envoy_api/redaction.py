"""Keys, passwords and tokens out of texts that others wrote.

Envoy prints a rejected Secret whole, private key included, into the message of its rejection, as protobuf's text format
or as JSON. Such a text is not always complete or well-formed, so it is searched, not parsed, and when in doubt
something is taken out: every PEM block, the value of every field whose name sounds secret or that holds an inline data
source, the credentials after Bearer and Basic and in URLs, web tokens, and long runs that look like base64.

A client wrote the text, so each step takes time that grows with its length and no faster.
"""

import re
from typing import Final

REDACTED: Final = "[redacted]"

_PEM = re.compile(r"-----BEGIN .*?(?:-----END [^-]*-----|\Z)", re.DOTALL)
_CREDENTIALS = re.compile(r"\b(?P<scheme>Bearer|Basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE)
# A password may hold a slash that should have been escaped; a longer one than this nobody writes into a URL.
_USER_IN_URL = re.compile(r"""(?P<scheme>://)(?:[^\s/@"':]*+:[^\s@"']{0,300}+|[^\s/@"':]++)@""")
_WEB_TOKEN = re.compile(r"\beyJ[\w-]++\.[\w-]++(?:\.[\w-]*+)?")
_WORD = re.compile(r"[\w-]++")
_SUSPECT: Final = (
    r"passw(?:or)?d|passphrase|secret|token|credential|hmac|psk|authorization|cookie"
    r"|(?:private|api|access|json|signing)[_-]?key"
    r"|(?<![a-z])(?:pwd|salt)(?![a-z])|\Aauth\Z"
)
_NAME = re.compile(_SUSPECT, re.IGNORECASE)
_SECRET = re.compile(rf"inline[_-]?(?:bytes|string)|{_SUSPECT}", re.IGNORECASE)
# What follows a field's name: the value in quotes of either kind, perhaps escaped, or without quotes up to a space.
_VALUE = re.compile(
    r"""(?P<before>\\*["']?\s*[:=]\s*)(?:(?P<quote>\\*["']).*?(?:(?<!\\)(?P=quote)|\Z)|[^\s"'{}\[\],;\\]+)""", re.DOTALL
)
# What this package's own faults say after a field's path.
_FAULT = re.compile(
    r"wants (?:an? |true or false|bytes in )|is required\b|must (?:be|have|not|match|begin|end) "
    r"|is given together with `|one of `|\w+ has no such (?:field|value)\b"
)
_KNOWN_TOKEN = re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}+|(?:AKIA|ASIA)[A-Z0-9]{16}\b)")
_SIGNATURE = re.compile(r"(?P<before>[?&]sig=)[^\s&\"'#]++")
_RUN = re.compile(r"[A-Za-z0-9+/]{40,}={0,2}")


def redact_text(text: str) -> str:
    """The text without what may be secret in it: each such part is replaced by `[redacted]`."""
    text = _PEM.sub(REDACTED, text)
    text = _CREDENTIALS.sub(rf"\g<scheme> {REDACTED}", text)
    text = _USER_IN_URL.sub(rf"\g<scheme>{REDACTED}@", text)
    text = _without_secret_fields(text)
    text = _SIGNATURE.sub(rf"\g<before>{REDACTED}", text)
    text = _KNOWN_TOKEN.sub(REDACTED, text)
    text = _WEB_TOKEN.sub(REDACTED, text)
    return _RUN.sub(lambda run: REDACTED if _looks_encoded(run[0]) else run[0], text)


def sounds_secret(name: str) -> bool:
    """Whether what is called so, a field or the key of a pair, is a secret by its name."""
    return _NAME.search(name) is not None


def _without_secret_fields(text: str) -> str:
    parts: list[str] = []
    done = 0
    for word in _WORD.finditer(text):
        if word.start() < done or _SECRET.search(word[0]) is None:
            continue
        value = _VALUE.match(text, word.end())
        if value is not None and (value["quote"] or _FAULT.match(text, value.end("before")) is None):
            parts += text[done : value.end("before")], REDACTED
            done = value.end()
    return "".join((*parts, text[done:]))


def _looks_encoded(run: str) -> bool:
    """Capitals, small letters and digits together: the names of resources are hardly ever so."""
    return all(any(map(kind, run)) for kind in (str.isupper, str.islower, str.isdigit))
