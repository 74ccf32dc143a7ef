"""Keys, passwords and tokens out of texts that others wrote.

Envoy prints a rejected Secret whole, private key included, into the message of its rejection, as protobuf's text format
or as JSON. Such a text is not always complete or well-formed, so it is searched, not parsed, and when in doubt
something is taken out: what is between BEGIN and END of any PEM block, every inline data source, every field whose name
sounds secret, the credentials after Bearer and Basic, and long runs that look like base64.
"""

import re
from typing import Final

REDACTED: Final = "[redacted]"

_PEM = re.compile(r"-----BEGIN .*?(?:-----END [^-]*-----|\Z)", re.DOTALL)
# A field, perhaps in quotes, perhaps with these escaped, and its value: in quotes of either kind, or up to a space.
_FIELD = re.compile(
    r"""
    (?P<field>
      \b(?:inline_(?:bytes|string)|inline(?:Bytes|String)
         |\w*(?:passw(?:or)?d|passphrase|secret|token|credential|private_?key|api_?key|access_?key|json_?key|hmac|psk
               |authorization|cookie)\w*)
      \\*["']?\s*[:=]\s*
    )
    (?:(?P<quote>\\*["']).*?(?:(?<!\\)(?P=quote)|\Z)|[^\s"'{}\[\],;\\]+)
    """,
    re.DOTALL | re.VERBOSE | re.IGNORECASE,
)
_CREDENTIALS = re.compile(r"\b(?P<scheme>Bearer|Basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE)
_WEB_TOKEN = re.compile(r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?")
# Long, with capitals, small letters and digits: names of resources are hardly ever so.
_BASE64 = re.compile(r"(?=[A-Za-z0-9+/]*[A-Z])(?=[A-Za-z0-9+/]*[a-z])(?=[A-Za-z0-9+/]*[0-9])[A-Za-z0-9+/]{40,}={0,2}")


def redact_text(text: str) -> str:
    """The text without what may be secret in it: each such part is replaced by `[redacted]`."""
    text = _PEM.sub(REDACTED, text)
    text = _FIELD.sub(rf"\g<field>{REDACTED}", text)
    text = _CREDENTIALS.sub(rf"\g<scheme> {REDACTED}", text)
    text = _WEB_TOKEN.sub(REDACTED, text)
    return _BASE64.sub(REDACTED, text)
