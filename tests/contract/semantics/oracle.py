"""Says which inputs may be allowed, from the rules' source text and the configuration file, without Rego or index.

It shares no code with the engine: annotations are read as YAML from the comments, evidence is checked in Python, and
what a rule means is written here again, rule by rule. A rule that is not written here is held to its evidence.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import yaml

_REGO: Final = Path(__file__).resolve().parents[3] / "rego" / "governance"
_PROVIDED: Final[dict[str, Any]] = yaml.safe_load((_REGO / "config" / "provided.yaml").read_text(encoding="utf-8"))
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_PRINCIPAL: Final = re.compile(r"(person|service):[a-z0-9]{4,64}")
_UNRESOLVED: Final = re.compile(r"unresolved:[a-z0-9-]{1,64}")
_TIME: Final = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
_DAYS: Final = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?)?")
_STRENGTH: Final = {"declared": 0, "observed": 1, "verified": 2}


def _annotations() -> dict[str, dict[str, Any]]:
    found = {}
    for path in _REGO.glob("rules/*/*/*.rego"):
        if path.name.endswith("_test.rego"):
            continue
        comments = [line[2:] for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("# ")]
        found[f"{path.parts[-3]}.{path.stem}"] = yaml.safe_load("\n".join(comments[1:]))["custom"]
    return found


RULES: Final = _annotations()

# --- What the rules mean ---------------------------------------------------------------------------------------------

Means = Callable[[Mapping[str, Any], Any, str], bool]


def listed(text: str) -> bool:
    """Tell whether an image registry is on the list, or below one that is."""
    return any(f"{text}/".startswith(f"{root}/") for root in _PROVIDED["lists"]["image_registries"])


def _of(name: str) -> list[str]:
    found: list[str] = _PROVIDED["lists"][name]
    return found


def _threshold(name: str, tier: str) -> float:
    found: float = _PROVIDED["thresholds"][name][tier]
    return found


def _same_digest(one: str, other: str) -> bool:
    return _DIGEST.fullmatch(one) is not None and one == other


def _conclusive(monitoring: Mapping[str, Any], percent: float) -> bool:
    due, conclusive = monitoring["due"], monitoring["conclusive"]
    return bool(0 <= conclusive <= due and due > 0 and 100 * conclusive >= percent * due)


def _apart(validator: str, author: str) -> bool:
    person = _PRINCIPAL.fullmatch(validator) is not None and validator.startswith("person:")
    return person and _PRINCIPAL.fullmatch(author) is not None and validator != author


MEANINGS: Final[Mapping[str, Means]] = {
    "data.dataset_registered": lambda _, s, __: s["catalog"]["known"],
    "data.dataset_owned": lambda _, s, __: any(map(_PRINCIPAL.fullmatch, s["ownership"]["active_owners"])),
    "data.dataset_version_pinned": lambda _, s, __: s["reference"]["pinned"],
    "data.lawful_basis_recorded": lambda _, s, __: s["legal"]["basis"] in _of("lawful_bases"),
    "data.consent_covers_purpose": lambda d, s, _: (
        s["consent"]["status"] == "not-required"
        or (
            s["consent"]["status"] == "given"
            and s["consent"]["withdrawn"] == 0
            and d["purpose"] in s["consent"]["purposes"]
        )
    ),
    "data.licence_permits_training": lambda _, s, __: s["licence"]["licence"] in _of("licences_training"),
    "training.preflight_valid": lambda _, f, __: all(f["preflight"][name] for name in ("allowed", "own", "current")),
    "training.recipe_recorded": lambda _, f, __: all(f["plan"][name] for name in ("clean", "locked", "seeded")),
    "training.risk_factors_known": lambda _, f, __: all(
        f["risk"][factor] in values for factor, values in _PROVIDED["tiers"]["factors"].items()
    ),
    "training.trainer_authorised": lambda d, f, _: (
        d["purpose"] in f["trainer"]["purposes"] and f["data_use"]["data_class"] in f["trainer"]["data_classes"]
    ),
    "registration.card_complete": lambda _, m, __: m["card"]["missing"] == m["card"]["mismatched"] == [],
    "registration.files_hashed": lambda _, m, __: m["artifact"]["files"] >= 1,
    "registration.lineage_complete": lambda _, m, __: (
        m["lineage"]["inputs"] >= 1 and m["lineage"]["unresolved"] == m["lineage"]["undeclared"] == []
    ),
    "registration.performance_sufficient": lambda _, m, tier: (
        m["evaluation"]["metric"] in _of("evaluation_metrics")
        and m["evaluation"]["value"] >= _threshold("evaluation_value", tier)
        and m["evaluation"]["samples"] >= _threshold("evaluation_samples", tier)
    ),
    "registration.fairness_within_limits": lambda _, m, tier: (
        m["fairness"]["metric"] in _of("fairness_metrics")
        and set(_of("protected_attributes")) <= set(m["fairness"]["groups"])
        and m["fairness"]["gap"] <= _threshold("fairness_gap", tier)
        and m["fairness"]["samples"] >= _threshold("fairness_samples", tier)
    ),
    "registration.preflight_allowed": lambda _, f, __: f["preflight"]["allowed"],
    "registration.purpose_permitted": lambda _, m, __: m["purpose"]["declared"] in _of("purposes_permitted"),
    "registration.serialisation_safe": lambda _, m, __: m["artifact"]["unsafe_files"] == [],
    "registration.signature_present": lambda _, m, __: m["signature"]["inputs"] and m["signature"]["outputs"],
    "registration.validator_independent": lambda _, m, __: _apart(
        m["validation"]["validator"], m["authorship"]["author"]
    ),
    "deployment.model_registered": lambda _, m, __: (
        m["registration"]["registered"] and m["registration"]["matches"] == 1
    ),
    "deployment.model_digest_allowed": lambda _, m, __: (
        m["allowance"]["digest_known"] and m["allowance"]["digest_allowed"]
    ),
    "deployment.model_reference_immutable": lambda _, m, __: not m["reference"]["mutable"],
    "deployment.deployer_is_not_author": lambda d, m, _: (
        bool(_PRINCIPAL.fullmatch(m["authorship"]["author"]))
        and bool(_PRINCIPAL.fullmatch(d["actor"]["id"]))
        and m["authorship"]["author"] != d["actor"]["id"]
    ),
    "deployment.risk_tier_known": lambda _, m, __: all(
        m["risk"][factor] in values for factor, values in _PROVIDED["tiers"]["factors"].items()
    ),
    "deployment.image_pinned": lambda _, i, __: i["reference"]["pinned"],
    "deployment.image_registry_allowed": lambda _, i, __: (
        i["reference"]["registries"] != [] and all(map(listed, i["reference"]["registries"]))
    ),
    "deployment.deployer_authorised": lambda d, f, _: d["environment"] in f["deployer"]["environments"],
    "deployment.workload_classified": lambda _, f, __: f["workload"]["unclassified"] == [],
    "deployment.model_mounts_read_only": lambda _, f, __: f["workload"]["writable_model_mounts"] == [],
    "deployment.resource_limits_set": lambda _, f, __: f["workload"]["unlimited_containers"] == [],
    "runtime.waivers_within_limits": lambda _, f, tier: (
        f["waivers"]["active"] <= _PROVIDED["thresholds"]["waivers_active"][tier]
        and f["waivers"]["oldest_days"] <= _PROVIDED["thresholds"]["waivers_oldest_days"][tier]
    ),
    "runtime.running_as_admitted": lambda _, m, __: _same_digest(m["running"]["digest"], m["running"]["admitted"]),
    "runtime.inventory_complete": lambda _, f, __: f["inventory"]["listed"] and f["inventory"]["unlisted"] == [],
    "runtime.monitors_conclusive": lambda _, m, tier: (
        _conclusive(m["monitoring"], _threshold("monitor_conclusive_percent", tier))
        and m["monitoring"]["silent_hours"] <= _threshold("monitor_silent_hours", tier)
        and m["monitoring"]["window"] >= _threshold("drift_window", tier)
        and m["monitoring"]["drifted"] <= _threshold("drift_looks", tier)
    ),
    "runtime.findings_in_time": lambda _, f, tier: (
        f["open_findings"]["critical"] <= _threshold("open_critical_findings", tier)
        and f["open_findings"]["oldest_days"] <= _threshold("open_critical_days", tier)
    ),
    "runtime.incidents_reported": lambda _, f, tier: (
        f["incidents"]["untracked"] == 0
        and f["incidents"]["serious_days"] <= _threshold("incident_report_days", tier)
        and f["incidents"]["widespread_days"] <= _threshold("incident_widespread_report_days", tier)
        and f["incidents"]["death_days"] <= _threshold("incident_death_report_days", tier)
    ),
    "deployment.guardrails_pinned": lambda _, m, __: (
        _same_digest(m["guardrails"]["prompt"], m["guardrails"]["reviewed"])
        and set(_of("guardrails_required")) <= set(m["guardrails"]["kinds"])
        and m["guardrails"]["unpinned"] == []
    ),
    "deployment.tools_limited": lambda _, m, tier: (
        m["tools"]["granted"] != []
        and set(m["tools"]["granted"]) <= set(_of("tools_permitted"))
        and m["tools"]["autonomy"] <= _threshold("tool_autonomy", tier)
    ),
    "deployment.retrieval_governed": lambda _, m, __: (
        _same_digest(m["retrieval"]["index"], m["retrieval"]["reviewed"])
        and m["retrieval"]["licences"] != []
        and set(m["retrieval"]["licences"]) <= set(_of("licences_retrieval"))
        and m["retrieval"]["tenancy"] in _of("retrieval_tenancies")
    ),
    "deployment.red_teamed": lambda _, m, tier: (
        set(_of("attack_classes")) <= set(m["red_team"]["classes"])
        and m["red_team"]["unresolved"] <= _threshold("red_team_unresolved", tier)
    ),
}

_NOT_PERSONAL: Final[Means] = lambda _, s, __: not s["sensitivity"]["personal"]  # noqa: E731
_NOT_PROMPTED: Final[Means] = lambda _, m, __: not m["language"]["prompted"]  # noqa: E731
EXEMPTIONS: Final[Mapping[str, Means]] = {
    "deployment.guardrails_pinned": _NOT_PROMPTED,
    "deployment.red_teamed": _NOT_PROMPTED,
    "deployment.tools_limited": lambda _, m, __: not m["language"]["tools"],
    "deployment.retrieval_governed": lambda _, m, __: not m["language"]["retrieval"],
    "data.consent_covers_purpose": _NOT_PERSONAL,
    "data.lawful_basis_recorded": _NOT_PERSONAL,
}

# --- Evidence --------------------------------------------------------------------------------------------------------


def _moment(text: Any) -> datetime | None:
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        return None
    try:
        whole, _, fraction = text.rstrip("Z").partition(".")
        moment = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return moment + timedelta(microseconds=int(fraction.ljust(9, "0")[:6]) if fraction else 0)


def _age(text: str) -> timedelta:
    match = _DAYS.fullmatch(text)
    assert match is not None
    return timedelta(days=int(match[1] or 0), hours=int(match[2] or 0))


def _is(value: Any, kind: str) -> bool:
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "string":
        return isinstance(value, str) and value != ""
    assert kind == "strings"
    return isinstance(value, list) and all(isinstance(one, str) and one != "" for one in value)


def key(item: Any) -> str | None:
    """Return what evidence on an item must be about; None where it has neither a digest nor an id."""
    if not isinstance(item, dict):
        return None
    return next((item[name] for name in ("digest", "id") if isinstance(item.get(name), str) and item[name]), None)


def _proven(need: Mapping[str, Any], holder: Any, about: Any, now: datetime) -> bool:
    group = holder.get(need["at"]) if isinstance(holder, dict) else None
    evidence = group.get("evidence") if isinstance(group, dict) else None
    if not isinstance(group, dict) or not isinstance(evidence, dict):
        return False
    observed = _moment(evidence.get("observed_at"))
    tier = evidence.get("tier")
    return (
        isinstance(about, str)
        and about != ""
        and evidence.get("about") == about
        and isinstance(tier, str)
        and _STRENGTH.get(tier, -1) >= _STRENGTH[need.get("min_tier", "observed")]
        and observed is not None
        and observed <= now + timedelta(minutes=5)
        and ("max_age" not in need or now - observed < _age(need["max_age"]))
        and all(_is(group.get(field), kind) for field, kind in need["fields"].items())
    )


# --- The decision ----------------------------------------------------------------------------------------------------


def may_be_allowed(document: Any) -> bool:
    """Tell whether an input proves everything that it must; waivers and approvals are none of its business."""
    if not _well_formed(document):
        return False
    codes = [code for code, rule in RULES.items() if any(_applies(one, document) for one in rule["applies_to"])]
    if not codes:
        return False
    now = _moment(document["context"]["now"])
    assert now is not None
    tier = _tier(document, now)
    return all(_action(code, tier, document) != "deny" or _met(code, document, tier, now) for code in codes)


def _well_formed(document: Any) -> bool:
    try:
        actor, subject, context = document["actor"], document["subject"], document["context"]
        known = _PRINCIPAL.fullmatch(actor["id"]) or (
            actor.get("kind") == "unresolved" and _UNRESOLVED.fullmatch(actor["id"])
        )
        return bool(
            document["schema"] == "proctor/input/v1"
            and _moment(context["now"])
            and _moment(context["effective_at"])
            and known
            and isinstance(subject["kind"], str)
            and _DIGEST.fullmatch(subject["digest"])
            and isinstance(subject["parts"], dict)
            and isinstance(document["facts"], dict)
            and isinstance(document["waivers"], list)
            and isinstance(document["approvals"], list)
            and document["environment"] in _PROVIDED["environments"]
            and document["point"] in POINTS
        )
    except (KeyError, TypeError, AttributeError):
        return False


POINTS: Final = ("notebook", "mlflow-registry", "kubernetes-admission", "catalog", "ci", "runtime", "audit")
ENVIRONMENTS: Final[tuple[str, ...]] = tuple(_PROVIDED["environments"])


def _applies(application: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    return (
        application["stage"] == document.get("stage")
        and application["kind"] == document["subject"]["kind"]
        and document.get("operation") in application["operations"]
    )


def _tier(document: Mapping[str, Any], now: datetime) -> str:
    """Return the tier of the riskiest model; the worst where any of it is not proven."""
    factors = _PROVIDED["tiers"]["factors"]
    need = {"at": "risk", "fields": dict.fromkeys(factors, "string")}
    if document["subject"]["kind"] == "run":
        return _band([document["facts"]], lambda _: document["subject"]["digest"], need, now)
    models = document["facts"].get("models")
    if not _complete(models, document["subject"]["parts"].get("models")):
        return "critical"
    return _band(models, key, need, now)


def _band(holders: list[Any], about: Callable[[Any], Any], need: Mapping[str, Any], now: datetime) -> str:
    points = 0
    for holder in holders:
        if not _proven(need, holder, about(holder), now):
            return "critical"
        scored = [values.get(holder["risk"][factor]) for factor, values in _PROVIDED["tiers"]["factors"].items()]
        if None in scored:
            return "critical"
        points = max(points, sum(scored))
    return next(band["tier"] for band in _PROVIDED["tiers"]["bands"] if points <= band["up_to"])


def _action(code: str, tier: str, document: Mapping[str, Any]) -> str:
    case = {"rule": code, "severity": RULES[code]["severity"], "tier": tier,
            "environment": document["environment"], "point": document["point"]}  # fmt: skip
    matching = [
        entry for entry in _PROVIDED["actions"] if all(entry.get(name, "*") in ("*", case[name]) for name in case)
    ]
    return str(max(matching, key=lambda entry: sum(entry.get(name, "*") != "*" for name in case))["action"])


def _complete(items: Any, parts: Any) -> bool:
    keys = [key(item) for item in items] if isinstance(items, list) else [None]
    return (
        None not in keys
        and isinstance(parts, list)
        and len(set(keys)) == len(keys) == len(parts)
        and all(isinstance(part, str) for part in parts)
        and set(keys) == set(parts)
    )


def _met(code: str, document: Mapping[str, Any], tier: str, now: datetime) -> bool:
    rule = RULES[code]
    name = rule["for_each"].partition("/")[0]
    facts = document["facts"]
    if name:
        items = facts.get(name)
        if not _complete(items, document["subject"]["parts"].get(name)):
            return False
        if not items and not rule.get("may_be_empty", False):
            return False
        if not all(_is(item.get(rule["item_id"][0]), "string") for item in items):
            return False
        places = items
    else:
        places = [facts]
    return all(_stands(code, document, place, name, tier, now) for place in places)


def _stands(code: str, document: Mapping[str, Any], place: Any, name: str, tier: str, now: datetime) -> bool:
    """Tell whether one place is proven to be right, or exempt: what is `unless_exempt` is asked of the others alone."""

    def proven(need: Mapping[str, Any]) -> bool:
        if "request" in need:
            return _is(document.get(need["request"]), need["type"])
        return all(_proven(need, holder, about, now) for holder, about in _holders(need, [place], name, document))

    needs = RULES[code]["evidence"]
    if not all(proven(need) for need in needs if not need.get("unless_exempt", False)):
        return False
    exempt, meaning = EXEMPTIONS.get(code), MEANINGS.get(code)
    if exempt is not None and exempt(document, place, tier):
        return True
    if not all(proven(need) for need in needs if need.get("unless_exempt", False)):
        return False
    return meaning is None or meaning(document, place, tier)


def _holders(
    need: Mapping[str, Any], places: list[Any], name: str, document: Mapping[str, Any]
) -> Iterator[tuple[Any, Any]]:
    whole = need.get("of", name) == ""
    for holder in [document["facts"]] if whole else places:
        about = {
            "item": key(holder), "subject": document["subject"]["digest"], "actor": document["actor"]["id"],
            "purpose": document.get("purpose"),
        }  # fmt: skip
        yield holder, about[need.get("about", "item")]
