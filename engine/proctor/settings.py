"""Settings: a few from the environment (`PROCTOR_*`), the rest from one YAML file. Nothing is read at import.

Environment: `PROCTOR_STATE_DIR`, `PROCTOR_CONFIG`, `PROCTOR_DATABASE_URL`, `PROCTOR_OPA_BIN`, `PROCTOR_OPA_URL`,
`PROCTOR_OPA_TOKEN`, `PROCTOR_POLICY_DIR`, `PROCTOR_API_KEY`, `PROCTOR_URL`, `PROCTOR_SINK_SECRET`.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from proctor.errors import SettingsError


class Section(BaseModel):
    """Base of all sections: an unknown key is an error, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OpaSettings(Section):
    """How to have an OPA."""

    binary: Path | None = None
    url: str | None = None
    """URL of an external sidecar (`http://127.0.0.1:8181` or `unix:///run/opa.sock`); None: managed child."""
    token: SecretStr | None = None
    in_flight: Annotated[int, Field(ge=1, le=256)] = 4
    """Calls in flight to OPA, first in first out: four on two cores cut p99 under overload to a third."""
    timeout: Annotated[float, Field(gt=0, le=30)] = 2.0
    """Seconds for one evaluation, inside the caller's own budget."""
    staleness: Annotated[float, Field(gt=0)] = 300.0
    """Seconds without word from an external OPA after which its policy counts as stale."""
    gogc: Annotated[int, Field(ge=50, le=1600)] = 400
    memory_limit: str = "512MiB"


class SinkSettings(Section):
    """Where alerts go: CloudEvents 1.0 over HTTP, signed as Standard Webhooks do."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
    url: str
    secret_env: str = "PROCTOR_SINK_SECRET"  # noqa: S105 (the name of a variable)
    """Name of the environment variable with the signing secret; the secret itself is never in the file."""
    events: list[str] = ["*"]


class ServerSettings(Section):
    """The API's listeners."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8420
    operations_port: Annotated[int, Field(ge=0, le=65535)] = 8421
    """Health, readiness and metrics; 0 picks a free port."""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    keep_alive: int = 120
    """Seconds. The API server reuses idle connections for 90 s; closing earlier races with its next call."""
    max_body: int = 8 * 1024 * 1024
    budget: Annotated[float, Field(gt=0, le=30)] = 3.0
    """Seconds for a decision whose caller names no budget of its own."""
    unauthenticated_per_second: Annotated[int, Field(ge=1)] = 200
    """Rate limit of the routes that need no credential, for each client address."""
    max_waiting: Annotated[int, Field(ge=1)] = 2048
    """Decisions in flight and waiting; beyond it the answer is an error decision `overloaded`."""


class PurposeSettings(Section):
    """What a purpose brings with it: two factors of the risk tier. The third, the class of data, comes from data."""

    exposure: Literal["internal", "partner", "public"]
    """Who is exposed to the model's output."""
    autonomy: Literal["advisory", "supervised", "autonomous"]
    """What stands between output and effect."""


class GrantSettings(Section):
    """Lets one pack weaken one thing, and says why; `proctor policy show` tells it to everybody."""

    pack: Annotated[str, Field(min_length=1, max_length=128)]
    """Name of the pack's folder."""
    weakens: Annotated[str, Field(pattern=r"^(action|threshold|list|waiver) [a-z][a-z0-9_.]*$")]
    """What, as the build names it: `action deployment.image_pinned`, `threshold waivers_active`, `list ...`, ..."""
    reason: Annotated[str, Field(min_length=10, max_length=500)]


class PolicySettings(Section):
    """What an organisation lays over the provided configuration; compiled and checked by the build."""

    profile: Literal["starter", "strict"] = "starter"
    packs: list[Path] = []
    actions: list[dict[str, str]] = []
    environments: list[str] = []
    thresholds: dict[str, Any] = {}
    lists: dict[str, list[str]] = {}
    waivers: dict[str, Annotated[int, Field(ge=1, le=366)] | Literal[False]] = {}
    """How many days a waiver of a rule may last; false: it can't be waived."""
    grants: list[GrantSettings] = []
    """What packs may weaken, each by name."""
    tiers: dict[str, dict[str, int]] = {}
    """Points of the risk tier's factors: factor -> value -> points, over the provided ones."""
    purposes: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{0,127}$")], PurposeSettings] = {}
    """What models may be for."""


class Settings(Section):
    """All settings. `load` reads them."""

    state_dir: Path
    database_url: str | None = None
    policy_dir: Path | None = None
    opa: OpaSettings = OpaSettings()
    server: ServerSettings = ServerSettings()
    policy: PolicySettings = PolicySettings()
    sinks: list[SinkSettings] = []
    adapters: dict[str, dict[str, Any]] = {}
    case_retention_days: Annotated[int, Field(ge=1, le=3660)] = 400
    preflight_hours: Annotated[float, Field(gt=0, le=168)] = 12.0
    """How long after a preflight a run may still start: a working day."""
    checkpoint_every: Annotated[int, Field(ge=1)] = 1000

    @property
    def database(self) -> str:
        """Return the SQLAlchemy URL: PostgreSQL if configured, else SQLite in the state directory."""
        return self.database_url or f"sqlite:///{self.state_dir / 'proctor.db'}"


def _default_state_dir(environment: Mapping[str, str]) -> Path:
    base = environment.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "proctor"


def load(environment: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Read the settings from `environment` (default: the process's) and the file that it names.

    Raises `SettingsError` with one line for each wrong key.
    """
    environment = os.environ if environment is None else environment
    document = _read(environment.get("PROCTOR_CONFIG"))
    document.setdefault("state_dir", environment.get("PROCTOR_STATE_DIR") or _default_state_dir(environment))
    if url := environment.get("PROCTOR_DATABASE_URL"):
        document["database_url"] = url
    if policy := environment.get("PROCTOR_POLICY_DIR"):
        document["policy_dir"] = policy
    opa = dict(document.get("opa") or {})
    for key, name in (("binary", "PROCTOR_OPA_BIN"), ("url", "PROCTOR_OPA_URL"), ("token", "PROCTOR_OPA_TOKEN")):
        if value := environment.get(name):
            opa[key] = value
    document["opa"] = opa
    document.update(overrides)
    try:
        return Settings.model_validate(document)
    except ValidationError as error:
        lines = [
            f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False, include_input=False)
        ]
        raise SettingsError(
            "reading the settings", "; ".join(lines), "Mend the configuration file or the PROCTOR_* variable"
        ) from error


def _read(path: str | None) -> dict[str, Any]:
    if not path:
        return {}
    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"reading {path}", str(error), "Point PROCTOR_CONFIG at a readable file") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"reading {path}", f"not YAML: {error}", "Mend the file") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise SettingsError(f"reading {path}", f"a {type(document).__name__}", "The file holds one mapping")
    return document
