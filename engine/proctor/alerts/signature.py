"""Signs what goes out as Standard Webhooks 1.0 does: HMAC-SHA256 over `id.timestamp.body`.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
from typing import Final

from proctor.errors import SettingsError

_PREFIX: Final = "whsec_"
_MIN_BYTES: Final = 24
"""Shortest secret that the specification permits, in bytes."""


def secret_bytes(text: str, name: str) -> bytes:
    """Return the key of a secret as operators write it: `whsec_` and base64.

    `name` is the variable that it comes from. Raises `SettingsError`, which never shows the secret.
    """
    tried = f"reading the signing secret in {name}"
    remedy = 'Make one with: echo "whsec_$(openssl rand -base64 32)"'
    if not text.startswith(_PREFIX):
        raise SettingsError(tried, f"it does not begin with {_PREFIX}", remedy)
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise SettingsError(tried, "what follows the prefix is not base64", remedy) from error
    if len(key) < _MIN_BYTES:
        raise SettingsError(tried, f"{len(key)} bytes, fewer than {_MIN_BYTES}", remedy)
    return key


def headers(secret: bytes, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three headers of one attempt. `timestamp` is Unix time in seconds at this attempt."""
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    mac = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{mac}"}
