"""A receiver of alerts, as an organisation has one: it takes what bears Proctor's signature, and nothing else."""

import hmac
import http.server
import json
import secrets
import threading
import time
from base64 import b64encode
from typing import Any, Final

from proctor.alerts import signature

VARIABLE: Final = "DEMO_ALERT_SECRET"
"""The environment variable in which Proctor finds the secret that it shares with the receiver."""
_TOLERANCE: Final = 300
"""Seconds that a signature stays good: an alert that somebody recorded is not played back for ever."""
_MAX_BODY: Final = 1_000_000


class Sink:
    """An HTTP server on loopback that keeps the alerts whose signature holds, and counts the others."""

    def __init__(self) -> None:
        self.secret = "whsec_" + b64encode(secrets.token_bytes(32)).decode()
        self.alerts: list[dict[str, Any]] = []
        self.refused = 0
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(min(int(self.headers.get("content-length", 0)), _MAX_BODY))
                self.send_response(204 if sink.take(dict(self.headers.items()), body) else 401)
                self.end_headers()

            def log_message(self, *arguments: object) -> None:  # noqa: ARG002 (its base writes to stderr)
                return

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def settings(self) -> dict[str, Any]:
        """Return what Proctor's configuration says of this receiver."""
        url = f"http://127.0.0.1:{self._server.server_port}/alerts"
        return {"name": "pager", "url": url, "events": ["proctor.violation.*"], "secret_env": VARIABLE}

    def take(self, headers: dict[str, str], body: bytes) -> bool:
        """Keep an alert if its signature holds; tell whether it does (Standard Webhooks, "Verifying signatures")."""
        found = {name.lower(): value for name, value in headers.items()}
        moment = found.get("webhook-timestamp", "")
        if not moment.isdigit() or abs(time.time() - int(moment)) > _TOLERANCE:
            self.refused += 1
            return False
        key = signature.secret_bytes(self.secret, VARIABLE)
        wanted = signature.headers(key, found.get("webhook-id", ""), int(moment), body)["webhook-signature"]
        if not hmac.compare_digest(wanted.encode(), found.get("webhook-signature", "").encode()):
            self.refused += 1
            return False
        self.alerts.append(json.loads(body))
        return True

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
