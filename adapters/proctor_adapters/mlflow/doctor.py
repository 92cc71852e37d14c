"""`proctor doctor mlflow`: the traps on the way to a gated MLflow, each with its cure. Changes nothing.

Run it where MLflow's server runs, with that server's environment; with `--url`, and an admin's MLFLOW_TRACKING_USERNAME
and MLFLOW_TRACKING_PASSWORD, it also tries whether the running server is gated. The traps are MLflow's own (3.17);
none of them says a word when it snaps.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import Any, Final

import httpx

from proctor.plugins import Examined

_TIMEOUT: Final = 10.0
_SUPPORTED: Final = ((3, 17), (4, 0))
_PENDING: Final = "/v1/adapters/mlflow/pending"
_FERNET_KEY: Final = 32
"""Bytes of a Fernet key (https://github.com/fernet/spec), in URL-safe base64."""
_TRUE: Final = frozenset({"true", "1"})
_PROBE_TAG: Final = "governance.doctor"
_PROBES: Final = (
    (
        "registry", "/api/2.0/mlflow/registered-models/set-tag", {"name": "proctor-doctor"},
        "Start it with --registry-store-uri proctor+sqlite:///... (or proctor+postgresql, ...)",
    ),
    ("runs", "/api/2.0/mlflow/runs/set-tag", {"run_id": "0" * 32}, "Start it with --app-name proctor"),
)  # fmt: skip
"""Writes that a gated server refuses before it looks for the object, and any server refuses because there is none."""


def examine(environment: Mapping[str, str], url: str | None = None) -> Iterator[Examined]:
    """Yield the findings, in the order in which a start would meet the troubles."""
    yield from _package()
    yield from _proctor(environment)
    yield from _authentication(environment)
    yield from _webhooks(environment)
    yield from _server(environment)
    if url is not None:
        yield from _running(environment, url.rstrip("/"))


def _package() -> Iterator[Examined]:
    try:
        found = version("mlflow")
    except PackageNotFoundError:
        yield Examined("mlflow", "broken", "MLflow is not installed here", "pip install 'proctor[mlflow]'")
        return
    numbers = tuple(int(part) for part in found.split(".")[:2] if part.isdigit())
    if not _SUPPORTED[0] <= numbers < _SUPPORTED[1]:
        yield Examined("mlflow", "broken", f"MLflow {found}", "pip install 'mlflow[auth]>=3.17,<4'")
    else:
        yield Examined("mlflow", "ok", f"MLflow {found}")
    stores = {point.name for point in entry_points(group="mlflow.model_registry_store")}
    apps = {point.name for point in entry_points(group="mlflow.app")}
    if "proctor+sqlite" in stores and "proctor" in apps:
        yield Examined("plugin", "ok", "store and app are registered")
    else:
        yield Examined(
            "plugin", "broken", "MLflow does not find the plugin", "Install Proctor into MLflow's environment"
        )


def _proctor(environment: Mapping[str, str]) -> Iterator[Examined]:
    url, socket = environment.get("PROCTOR_URL"), environment.get("PROCTOR_SOCKET")
    key = environment.get("PROCTOR_API_KEY")
    if not (url or socket):
        yield Examined("proctor", "broken", "neither PROCTOR_URL nor PROCTOR_SOCKET is set", "Set one of them")
        return
    if not key:
        create = "proctor key create ID --role gate --point mlflow-registry --environment '*'"
        yield Examined("proctor", "broken", "PROCTOR_API_KEY is not set", f"Set it to a gate's key: {create}")
        return
    where = socket or url
    transport = httpx.HTTPTransport(uds=socket) if socket else None
    try:
        with httpx.Client(
            base_url="http://proctor" if socket else str(url), transport=transport, timeout=_TIMEOUT, trust_env=False
        ) as client:
            answer = client.post(_PENDING, json={"versions": []}, headers={"Authorization": f"Bearer {key}"})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        found = f"{where} does not answer: {type(error).__name__}: {error}"
        yield Examined("proctor", "broken", found, "Start 'proctor serve'; until then MLflow refuses every write")
        return
    cures = {
        401: "The key is unknown or revoked: make another with 'proctor key create'",
        403: "The key's role must be 'gate'",
        404: "This Proctor has no adapter mlflow: look at 'adapters' in its configuration",
    }
    if answer.status_code == httpx.codes.OK:
        yield Examined("proctor", "ok", f"{where} answers, and takes the key")
    else:
        cure = cures.get(answer.status_code, "See Proctor's log")
        yield Examined("proctor", "broken", f"{where} answers {answer.status_code}", cure)


def _authentication(environment: Mapping[str, str]) -> Iterator[Examined]:
    kind = environment.get("PROCTOR_MLFLOW_AUTH", "basic-auth")
    if kind == "none":
        yield Examined(
            "authentication", "note", "PROCTOR_MLFLOW_AUTH=none: MLflow knows nobody, so nothing has an author",
            "Leave it out, and give everybody a login that 'proctor principal link' knows",
        )  # fmt: skip
        return
    if kind != "basic-auth":
        yield Examined("authentication", "broken", f"PROCTOR_MLFLOW_AUTH={kind:.40}", "It is basic-auth or none")
        return
    try:
        version("flask-wtf")
    except PackageNotFoundError:
        yield Examined("authentication", "broken", "Flask-WTF is missing", "pip install 'mlflow[auth]'")
    if not environment.get("MLFLOW_FLASK_SERVER_SECRET_KEY"):
        cure = "Set it to a long random text, the same for all workers"
        yield Examined("authentication", "broken", "MLFLOW_FLASK_SERVER_SECRET_KEY is not set", cure)
    else:
        yield Examined("authentication", "ok", "basic-auth")
    if environment.get("MLFLOW_BASIC_AUTH_FAIL_CLOSED", "true").lower() not in _TRUE:
        found = "MLFLOW_BASIC_AUTH_FAIL_CLOSED is off: routes that MLflow forgot to protect are open to everybody"
        yield Examined("authentication", "note", found, "Leave it out")
    if environment.get("MLFLOW_TRACKING_TOKEN") and environment.get("MLFLOW_TRACKING_USERNAME"):
        found = "MLFLOW_TRACKING_TOKEN is set and never sent: user name and password win over it"
        yield Examined("authentication", "note", found, "Leave one of them out; basic-auth takes no Bearer token")


def _webhooks(environment: Mapping[str, str]) -> Iterator[Examined]:
    key = environment.get("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY")
    make = "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
    if not key:
        found = (
            "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY is not set: each worker makes its own, signed webhooks are lost, and "
            "after a restart those that exist can be neither listed nor deleted"
        )
        yield Examined("webhooks", "note", found, f"Before the first webhook with a secret, set it: {make}")
    elif not _is_fernet(key):
        found = "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY is no Fernet key: MLflow will not start"
        yield Examined("webhooks", "broken", found, make)
    else:
        yield Examined("webhooks", "ok", "secrets have a key")
    ttl = environment.get("MLFLOW_WEBHOOK_CACHE_TTL", "60")
    if not ttl.isdigit() or int(ttl) > 5:  # noqa: PLR2004 (seconds that nobody waits for in vain)
        found = f"new webhooks take effect after {ttl} s, and deleted ones fire as long"
        yield Examined("webhooks", "note", found, "Set MLFLOW_WEBHOOK_CACHE_TTL=5 where that is too long")
    if environment.get("MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS", "").lower() not in _TRUE:
        found = "receivers on private addresses are refused, and so is every one inside a cluster"
        cure = "Set MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS=true (and MLFLOW_WEBHOOK_ALLOWED_SCHEMES=https,http without TLS)"
        yield Examined("webhooks", "note", found, cure)


def _is_fernet(key: str) -> bool:
    try:
        return len(base64.urlsafe_b64decode(key.encode())) == _FERNET_KEY
    except (binascii.Error, ValueError):
        return False


def _server(environment: Mapping[str, str]) -> Iterator[Examined]:
    if not environment.get("MLFLOW_SERVER_ALLOWED_HOSTS"):
        found = (
            "only localhost and private addresses are taken as host names: 'mlflow:5000' gets 403 Invalid Host header"
        )
        cure = "Give --allowed-hosts with each name twice, as 'mlflow,mlflow:*': the port counts"
        yield Examined("hosts", "note", found, cure)
    else:
        hosts = [name.strip() for name in environment["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")]
        alone = [name for name in hosts if ":" not in name and name != "*" and f"{name}:*" not in hosts]
        if alone:
            found = f"{', '.join(alone)} will not match with a port behind it"
            yield Examined("hosts", "note", found, f"Add {','.join(f'{name}:*' for name in alone)}")
        else:
            yield Examined("hosts", "ok", ", ".join(hosts))
    if environment.get("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "true").lower() in _TRUE:
        found = "MLflow's job runner is on: eight more processes, and a start of a minute on a small machine"
        yield Examined("jobs", "note", found, "Set MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false where nobody uses it")


def _running(environment: Mapping[str, str], url: str) -> Iterator[Examined]:
    user, password = environment.get("MLFLOW_TRACKING_USERNAME"), environment.get("MLFLOW_TRACKING_PASSWORD")
    auth = (user, password) if user and password else None
    try:
        with httpx.Client(base_url=url, auth=auth, timeout=_TIMEOUT, trust_env=False) as client:
            alive = client.get("/health")
            yield Examined("server", "ok" if alive.is_success else "broken", f"{url} answers {alive.status_code}")
            for name, path, subject, cure in _PROBES:
                answer = client.post(path, json=subject | {"key": _PROBE_TAG, "value": "probe"})
                yield _probed(name, answer, cure)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        yield Examined("server", "broken", f"{url} does not answer: {type(error).__name__}: {error}", "Start MLflow")


def _probed(name: str, answer: httpx.Response, cure: str) -> Examined:
    if answer.status_code == httpx.codes.FORBIDDEN and "Invalid Host" in answer.text:
        return Examined(
            name, "broken", "403 Invalid Host header", "Add the name to --allowed-hosts, with and without port"
        )
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        found = "MLflow does not know who asks"
        return Examined(name, "note", found, "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD of an admin")
    try:
        document: Any = answer.json()
    except ValueError:
        document = {}
    message = str(document.get("message", "")) if isinstance(document, dict) else ""
    if answer.status_code == httpx.codes.FORBIDDEN and message.startswith("Proctor:"):
        return Examined(name, "ok", "gated: a forged tag is refused")
    if answer.status_code == httpx.codes.FORBIDDEN:
        return Examined(name, "note", "this user may not try it", "Use an admin's name and password")
    return Examined(name, "broken", f"not gated: a forged tag gets {answer.status_code}", cure)
