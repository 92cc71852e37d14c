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


def _among(texts: list[str], name: str) -> bool:
    return texts != [] and set(texts) <= set(_of(name))


def _threshold(name: str, tier: str) -> float:
    found: float = _PROVIDED["thresholds"][name][tier]
    return found


def _since(text: str, document: Mapping[str, Any]) -> timedelta:
    then, now = _moment(text), _moment(document["context"]["now"])
    assert then is not None
    assert now is not None
    return now - then


def _same_digest(one: str, other: str) -> bool:
    return _DIGEST.fullmatch(one) is not None and one == other


def _conclusive(monitoring: Mapping[str, Any], percent: float) -> bool:
    due, conclusive = monitoring["due"], monitoring["conclusive"]
    return bool(0 <= conclusive <= due and due > 0 and 100 * conclusive >= percent * due)


def _apart(validator: str, author: str) -> bool:
    person = _PRINCIPAL.fullmatch(validator) is not None and validator.startswith("person:")
    return person and _PRINCIPAL.fullmatch(author) is not None and validator != author


def _scored(group: str, holder: Mapping[str, Any]) -> bool:
    """Tell whether the scoring table knows the value of every factor in a group."""
    factors = {name: factor for name, factor in _PROVIDED["tiers"]["factors"].items() if factor["group"] == group}
    return all(holder[group][name] in factor["points"] for name, factor in factors.items())


def _later(one: str, other: str) -> bool:
    first, second = _moment(one), _moment(other)
    return first is not None and second is not None and first > second


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
    "data.origin_recorded": lambda _, s, __: s["origin"]["collection"] in _of("collection_methods"),
    "data.purpose_compatible": lambda d, s, _: d["purpose"] in s["purposes"]["permitted"],
    "data.special_categories_grounded": lambda _, s, __: (
        s["special_categories"]["ground"] in _of("special_grounds")
        and set(_of("special_conditions")) <= set(s["special_categories"]["conditions"])
    ),
    "data.quality_checked": lambda _, s, tier: (
        s["quality"]["passed"]
        and s["quality"]["failed"] == 0
        and s["quality"]["expectations"] >= _threshold("quality_expectations", tier)
    ),
    "data.representative": lambda _, s, tier: (
        set(_of("protected_attributes")) <= set(s["representation"]["attributes"])
        and s["representation"]["smallest"] >= _threshold("representation_rows", tier)
    ),
    "data.retention_current": lambda d, s, _: _later(s["retention"]["until"], d["context"]["now"]),
    "data.residency_permitted": lambda d, s, _: (
        d["facts"]["compute"]["regions"] != []
        and set(d["facts"]["compute"]["regions"]) <= set(s["residency"]["regions"])
    ),
    "data.features_versioned": lambda _, s, __: (
        s["feature_set"]["pinned"]
        and s["feature_set"]["used"] != []
        and set(s["feature_set"]["used"]) <= set(s["feature_set"]["defined"])
        and _PRINCIPAL.fullmatch(s["feature_set"]["owner"]) is not None
    ),
    "training.preflight_valid": lambda _, f, __: all(f["preflight"][name] for name in ("allowed", "own", "current")),
    "training.recipe_recorded": lambda _, f, __: all(f["plan"][name] for name in ("clean", "locked", "seeded")),
    "training.risk_factors_known": lambda _, f, __: _scored("risk", f),
    "training.use_classified": lambda _, f, __: _scored("use", f),
    "training.trainer_authorised": lambda d, f, _: (
        d["purpose"] in f["trainer"]["purposes"] and f["data_use"]["data_class"] in f["trainer"]["data_classes"]
    ),
    "training.base_model_permitted": lambda _, f, __: (
        f["base_models"]["unpinned"] == f["base_models"]["unsigned"] == []
        and (
            (f["base_models"]["used"] == 0 and f["base_models"]["signers"] == f["base_models"]["licences"] == [])
            or (
                f["base_models"]["used"] >= 1
                and _among(f["base_models"]["signers"], "base_model_signers")
                and _among(f["base_models"]["licences"], "base_model_licences")
            )
        )
    ),
    "training.inputs_declared": lambda _, m, __: m["reads"]["observed"] >= 1 and m["reads"]["undeclared"] == [],
    "training.splits_disjoint": lambda _, m, tier: (
        set(_of("splits_compared")) <= set(m["splits"]["names"])
        and 0 <= m["splits"]["overlap"] <= _threshold("splits_overlap", tier)
    ),
    "training.footprint_recorded": lambda _, m, __: (
        m["footprint"]["method"] in _of("footprint_methods")
        and m["footprint"]["energy"] >= 0
        and m["footprint"]["compute"] >= 0
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
    "registration.recipe_complete": lambda _, m, __: (
        set(_of("recipe_parts")) <= set(m["recipe"]["parts"]) and m["recipe"]["lost"] == []
    ),
    "registration.artifact_signed": lambda _, m, __: (
        m["signing"]["covers"]
        and m["signing"]["signer"] in _of("model_signers")
        and set(m["signing"]["ignored"]) <= set(_of("signing_ignored"))
    ),
    "registration.not_worse_than_incumbent": lambda _, m, tier: (
        (
            set(m["comparison"]["incumbents"]) <= set(m["comparison"]["against"])
            if m["comparison"]["incumbents"]
            else _among(m["comparison"]["against"], "comparison_baselines")
        )
        and m["comparison"]["metric"] in _of("evaluation_metrics")
        and m["comparison"]["difference"] >= _threshold("comparison_difference", tier)
        and m["comparison"]["samples"] >= _threshold("comparison_samples", tier)
    ),
    "registration.robustness_tested": lambda _, m, tier: (
        all(m["tests"][kind] >= _threshold(f"tests_{kind}", tier) for kind in ("robustness", "adversarial", "privacy"))
        and m["tests"]["failed"] == []
    ),
    "registration.impact_assessed": lambda _, m, __: (
        _among(m["impact"]["assessments"], "impact_assessments")
        and m["impact"]["missing"] == []
        and m["impact"]["covers"]
        and m["impact"]["conclusion"] in _of("impact_conclusions")
    ),
    "registration.explanation_available": lambda _, m, tier: (
        m["explanation"]["whole"] in _of("explanations_whole")
        and m["explanation"]["single"] in _of("explanations_single")
        and m["explanation"]["coverage"] >= _threshold("explanation_coverage", tier)
    ),
    "registration.owner_active": lambda _, m, __: (
        m["ownership"]["owner"].startswith("person:")
        and bool(_PRINCIPAL.fullmatch(m["ownership"]["owner"]))
        and m["ownership"]["active"]
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
    "deployment.risk_tier_known": lambda _, m, __: _scored("risk", m),
    "registration.use_classified": lambda _, m, __: _scored("use", m),
    "deployment.condition_known": lambda _, m, __: _scored("condition", m),
    "deployment.image_pinned": lambda _, i, __: i["reference"]["pinned"],
    "deployment.image_registry_allowed": lambda _, i, __: (
        i["reference"]["registries"] != [] and all(map(listed, i["reference"]["registries"]))
    ),
    "deployment.deployer_authorised": lambda d, f, _: d["environment"] in f["deployer"]["environments"],
    "deployment.deployment_approved": lambda _, f, tier: (
        f["workload"]["unclassified"] == [] and _threshold("deployment_approval", tier) <= 0
    ),
    "deployment.stamp_valid": lambda d, m, _: (
        m["stamp"]["valid"]
        and m["stamp"]["current"]
        and m["stamp"]["outcome"] == "allow"
        and m["stamp"]["environment"] == d["environment"]
        and _since(m["stamp"]["expires"], d) < timedelta(0)
    ),
    "deployment.change_within_envelope": lambda _, f, __: (
        f["change"]["against"] == "assessed"
        and (
            f["change"]["kind"] in _of("changes_foreseen")
            or (f["change"]["kind"] in _of("changes_reassessed") and f["change"]["reassessed"])
        )
    ),
    "deployment.logging_retained": lambda _, f, tier: (
        f["logging"]["enabled"] and f["logging"]["retention_days"] >= _threshold("log_retention_days", tier)
    ),
    "deployment.monitors_declared": lambda _, m, tier: (
        set(_of("monitors_required")) <= set(m["monitors"]["kinds"])
        and m["monitors"]["slowest_hours"] <= _threshold("monitor_hours", tier)
    ),
    "deployment.rollback_ready": lambda d, f, tier: (
        f["rollback"]["target_valid"]
        and timedelta(0)
        <= _since(f["rollback"]["drilled_at"], d)
        <= timedelta(days=_threshold("rollback_drill_days", tier))
    ),
    "deployment.oversight_named": lambda _, f, __: (
        bool(re.fullmatch(r"person:[a-z0-9]{4,64}", f["oversight"]["owner"]))
        and f["oversight"]["active"]
        and f["oversight"]["stop_control"]
    ),
    "deployment.transparency_shown": lambda _, f, __: f["notice"]["shown"],
    "deployment.image_signed": lambda _, i, __: (
        i["signature"]["verified"] and i["signature"]["signer"] in _of("image_signers")
    ),
    "deployment.egress_limited": lambda _, f, __: (
        f["network"]["limited"] and set(f["network"]["egress"]) <= set(_of("egress_destinations"))
    ),
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
    "deployment.transparency_shown": lambda _, f, __: not f["transparency"]["applies"],
    "data.purpose_compatible": _NOT_PERSONAL,
    "data.special_categories_grounded": lambda _, s, __: not s["sensitivity"]["special"],
    "data.representative": _NOT_PERSONAL,
    "data.retention_current": _NOT_PERSONAL,
    "data.residency_permitted": _NOT_PERSONAL,
    "data.features_versioned": lambda _, s, __: not s["form"]["feature_set"],
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
    if kind == "timestamp":
        return _moment(value) is not None
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
    kind = document["subject"]["kind"]
    groups = ["risk", "use", *(["condition"] if kind == "deployment" else [])]
    if kind == "run":
        return _band([document["facts"]], lambda _: document["subject"]["digest"], groups, now)
    models = document["facts"].get("models")
    if not _complete(models, document["subject"]["parts"].get("models")):
        return "critical"
    return _band(models, key, groups, now)


def _band(holders: list[Any], about: Callable[[Any], Any], groups: list[str], now: datetime) -> str:
    points = 0
    factors = {name: one for name, one in _PROVIDED["tiers"]["factors"].items() if one["group"] in groups}
    for holder in holders:
        for group in groups:
            fields = {name: "string" for name, one in factors.items() if one["group"] == group}
            if not _proven({"at": group, "fields": fields}, holder, about(holder), now):
                return "critical"
        scored = [one["points"].get(holder[one["group"]][name]) for name, one in factors.items()]
        if None in scored:
            return "critical"
        points = max(points, sum(scored))
    return next(band["tier"] for band in _PROVIDED["tiers"]["bands"] if points <= band["up_to"])


def _action(code: str, tier: str, document: Mapping[str, Any]) -> str:
    begins = _moment(RULES[code].get("effective_on", "2000-01-01T00:00:00Z"))
    effective = _moment(document["context"]["effective_at"])
    assert begins is not None
    assert effective is not None
    if effective < begins:
        return "warn"
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
        listed_in = need.get("of", name).partition("/")[0]
        if (
            listed_in != name
            and listed_in
            and not _complete(document["facts"].get(listed_in), document["subject"]["parts"].get(listed_in))
        ):
            return False
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
    listed_in = need.get("of", name).partition("/")[0]
    holders = places if listed_in == name else document["facts"][listed_in] if listed_in else [document["facts"]]
    for holder in holders:
        about = {
            "item": key(holder), "subject": document["subject"]["digest"], "actor": document["actor"]["id"],
            "purpose": document.get("purpose"),
        }  # fmt: skip
        yield holder, about[need.get("about", "item")]
