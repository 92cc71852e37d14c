"""Gathers evidence: stamps what came with the request, asks each provider for its groups, keeps to the budget.

The provider, not the caller, gives a fact its tier. A group that a provider owns is never taken from the caller.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog

from proctor.errors import EngineError
from proctor.evidence.identify import key
from proctor.plugins import Asking, FactGroup, FactProvider, Question
from proctor.store.moments import to_text
from proctor.vocabulary.canonical import digest
from proctor.vocabulary.facts import Facts
from proctor.vocabulary.reasons import Reason
from proctor.vocabulary.words import EvidenceTier

log = structlog.get_logger(__name__)

_ABOUT_ACTOR: Final = frozenset({"deployer", "trainer"})
"""Groups of the whole request that say what the actor may do, and so are about the actor."""


@dataclass(slots=True)
class Providers:
    """The providers by the groups that they own. One provider for each group."""

    registered: Sequence[FactProvider]

    def __post_init__(self) -> None:
        """Refuse two providers of one group."""
        owners: dict[str, str] = {}
        for provider in self.registered:
            for group in provider.provides:
                if group in owners:
                    raise ValueError(f"{group} is provided by {owners[group]} and by {provider.name}")
                owners[group] = provider.name
        self.owned = frozenset(owners)

    owned: frozenset[str] = frozenset()

    async def gather(
        self, facts: dict[str, Any], question: Question, asking: Asking, deadline: float
    ) -> tuple[dict[str, Any], list[str]]:
        """Return `facts` with evidence on every group, and one line for each provider that failed.

        A failed provider leaves its groups absent, so the rules that need them are not evaluable; it never leaves
        an older or a stated value in their place. `deadline` is in the loop's time; when it is over, this raises
        `EngineError`.
        """
        self._stamp_stated(facts, question, asking)
        failures: list[str] = []
        asked = ""
        try:
            async with asyncio.timeout_at(deadline):
                for provider in self.registered:
                    asked = provider.name
                    try:
                        groups = await provider.gather(question)
                    except (EngineError, TimeoutError) as error:
                        log.warning("evidence.provider_failed", provider=provider.name, error=str(error))
                        failures.append(f"the provider {provider.name} of {', '.join(provider.provides)} failed")
                        continue
                    _place_all(facts, groups, provider, question.now)
        except TimeoutError as error:
            raise EngineError(
                "gathering evidence", f"the caller's time ran out while {asked} was asked",
                reason=Reason.DEADLINE_EXCEEDED,
            ) from error  # fmt: skip
        return facts, failures

    def _stamp_stated(self, facts: dict[str, Any], question: Question, asking: Asking) -> None:
        now = to_text(question.now)
        for name in [name for name in facts if name not in Facts.LISTS]:
            if name in self.owned:
                del facts[name]
            else:
                about = question.actor.id if name in _ABOUT_ACTOR else question.subject_digest
                _stamp(facts[name], about, asking, name, now)
        for name in Facts.LISTS:
            for item in facts.get(name, ()):
                about = key(item)
                for group in [group for group, value in item.items() if isinstance(value, dict)]:
                    path = f"{name}/*/{group}"
                    if path in self.owned:
                        del item[group]
                    else:
                        _stamp(item[group], about, asking, path, now)


def _stamp(group: dict[str, Any], about: str, asking: Asking, path: str, now: str) -> None:
    stated = group.pop("evidence", None) or {}
    tier = asking.tier or asking.tiers.get(path)
    if tier is None:
        asserts = asking.caller.asserts
        tier = EvidenceTier.OBSERVED if path in asserts else EvidenceTier.DECLARED
    observed_at = stated.get("observed_at")
    group["evidence"] = {
        "source": asking.source,
        "about": about,
        "observed_at": to_text(datetime.fromisoformat(observed_at)) if observed_at else now,
        "fetched_at": now,
        "tier": str(tier),
        "digest": digest(group),
    }


def _place_all(facts: dict[str, Any], groups: Sequence[FactGroup], provider: FactProvider, now: datetime) -> None:
    fetched_at = to_text(now)
    for group in groups:
        path = f"{group.list_name}/*/{group.group}" if group.list_name else group.group
        if path not in provider.provides:
            raise EngineError(
                f"taking facts from the provider {provider.name}", f"it gave {path}, which is not its own",
                "Name the group in its `provides`", Reason.EVIDENCE_UNAVAILABLE,
            )  # fmt: skip
        _place(facts, group, provider, fetched_at)


def _place(facts: dict[str, Any], group: FactGroup, provider: FactProvider, fetched_at: str) -> None:
    values = dict(group.values)
    values["evidence"] = {
        "source": group.source or provider.name,
        "about": group.about,
        "observed_at": to_text(group.observed_at),
        "fetched_at": fetched_at,
        "tier": str(group.tier or provider.tier),
        "digest": digest(values),
    }
    if group.list_name:
        facts[group.list_name][group.index][group.group] = values
    else:
        facts[group.group] = values


def references(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return, for the ledger, which facts the input holds: group, about, source, digest, tier, time; no values."""
    found: list[dict[str, Any]] = []

    def add(path: str, group: Any) -> None:
        if isinstance(group, dict) and isinstance(group.get("evidence"), dict):
            evidence = group["evidence"]
            found.append(
                {
                    "group": path,
                    **{name: evidence[name] for name in ("about", "source", "digest", "tier", "observed_at")},
                }
            )

    for name, value in facts.items():
        if isinstance(value, list):
            for index, item in enumerate(value):
                for group, content in item.items():
                    add(f"{name}/{index}/{group}", content)
        else:
            add(name, value)
    return found
