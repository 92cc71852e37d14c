"""Mistakes that authors make, each with the line of defence that must find it; see test_mistakes.py.

What the defences are: `build` refuses the source, `regal` reports it with one of our lint rules, `types` is OPA's type
checker with a schema of what the rule declares, `cases` shows by a decisive case that the rule is wrong. Each is asked
alone, with the others out of the way. `rows` names the rows of docs/decision-semantics.md that a mistake belongs to.
"""

from dataclasses import dataclass
from typing import Final

from tests.engine.policy import packs

_EXEMPTING: Final = (
    "{at: registration, fields: {registered: boolean, matches: number}, max_age: P3650D, unless_exempt: true}",
    "{at: risk, about: item, fields: {exposure: string}}",
)
"""The registration is lifted for a model that nobody outside can reach."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A rule that is wrong in one way."""

    name: str
    rows: tuple[int, ...]
    body: str
    caught_by: frozenset[str]
    evidence: tuple[str, ...] = packs.EVIDENCE
    for_each: str = "models/*"
    alone: bool = False
    """Whether it must be looked at alone: it ends the evaluation of every rule, or can't be compiled."""


def _by(*defences: str) -> frozenset[str]:
    return frozenset(defences)


def _on_models(*lines: str, imports: str = "", below: str = "", head: str = '["models", i]', walk: str = "") -> str:
    body = "\n".join(f"\t{line}" for line in (walk or "some i, model in input.facts.models", *lines) if line)
    return f"{imports}\ncompliant contains {head} if {{\n{body}\n}}\n{below}"


_RIGHT: Final = (
    "model.registration.registered == true",
    "model.registration.matches == 1",
    'model.risk.exposure in {"internal", "partner"}',
)
_EXEMPT: Final = """
exempt contains ["models", i] if {
	some i, model in input.facts.models
	model.risk.exposure == "internal"
}
"""
_TWO: Final = _on_models("model.registration.registered == true", "model.registration.matches == 1")

RIGHT: Final = (
    Mistake("right", (), packs.RIGHT, frozenset()),
    Mistake("right_with_exemption", (), _TWO + _EXEMPT, frozenset(), _EXEMPTING),
    Mistake(
        "right_with_helpers",
        (),
        _on_models(
            "not _several(model.registration)",
            "_reachable(model.risk)",
            imports="\nimport future.keywords.not\n\nimport data.governance.lib.compare\n",
            below=(
                "\n_several(registration) if not compare.at_most(registration.matches, 1)\n"
                "\n_several(registration) if registration.registered == false\n"
                '\n_reachable(risk) if risk.exposure == "internal"\n'
                '\n_reachable(risk) if risk.exposure == "partner"\n'
            ),
        ),
        frozenset(),
    ),
    Mistake(
        "right_on_the_whole_request",
        (),
        "\nimport data.governance.lib.compare\n\n"
        "compliant contains [] if compare.none(input.facts.workload.unclassified)\n",
        frozenset(),
        ("{at: workload, about: subject, fields: {unclassified: strings}}",),
        "",
    ),
)
"""Rules that are right, which none of the defences may touch."""

MISTAKES: Final = (
    # --- A value that is not there (row 1) ---
    Mistake(
        "collection_misspelt",
        (1,),
        _on_models(*_RIGHT, walk="some i, model in input.facts.modles"),
        _by("build", "cases", "regal", "types"),
    ),
    Mistake(
        "field_misspelt",
        (1,),
        _on_models("model.registration.registred == true", *_RIGHT[1:]),
        _by("build", "cases", "regal", "types"),
    ),
    Mistake(
        "group_misspelt",
        (1,),
        _on_models("model.registrations.registered == true", *_RIGHT[1:]),
        _by("build", "cases", "regal", "types"),
    ),
    Mistake("undefined_local", (1, 30), _on_models("title := model.title", *_RIGHT), _by("cases", "regal", "types")),
    Mistake(
        "filter_on_missing_field",
        (1, 30),
        _on_models('model.kind == "personal"', *_RIGHT),
        _by("build", "cases", "regal", "types"),
    ),
    # --- Negation (row 2) ---
    Mistake(
        "negated_misspelling",
        (2, 30),
        _on_models(
            "not _bad(model.registrations)", *_RIGHT, below="\n_bad(registration) if registration.registered == false\n"
        ),
        _by("build", "cases", "regal", "types"),
    ),
    Mistake(
        "negation_without_import",
        (2,),
        _on_models("not model.registration.registered == false", *_RIGHT[1:]),
        _by("build", "regal"),
    ),
    Mistake(
        "negated_undeclared_field",
        (2, 30),
        _on_models("not model.revoked", *_RIGHT, imports="\nimport future.keywords.not\n"),
        _by("build", "regal", "types"),
    ),
    # --- Comparisons across types (row 9) ---
    Mistake(
        "at_least_one", (9,), _on_models(_RIGHT[0], "model.registration.matches >= 1", _RIGHT[2]), _by("build", "regal")
    ),
    Mistake(
        "below_two", (9,), _on_models(_RIGHT[0], "model.registration.matches < 2", _RIGHT[2]), _by("build", "regal")
    ),
    Mistake(
        "not_equal", (9, 13), _on_models(*_RIGHT[:2], 'model.risk.exposure != "public"'), _by("build", "cases", "regal")
    ),
    # --- Switched off (rows 10, 29) ---
    Mistake(
        "exempt_without_proof",
        (10,),
        _TWO + '\nexempt contains ["models", i] if some i, model in input.facts.models\n',
        _by("build", "cases", "regal"),
        _EXEMPTING,
    ),
    Mistake(
        "exempt_by_what_it_excuses",
        (29,),
        _TWO + _EXEMPT.replace('model.risk.exposure == "internal"', "model.registration.registered == false"),
        _by("build", "cases"),
        _EXEMPTING,
    ),
    Mistake(
        "weak_fact_lifts_strong_one",
        (29,),
        _TWO + _EXEMPT,
        _by("build"),
        (_EXEMPTING[0], "{at: risk, about: item, fields: {exposure: string}, min_tier: declared}"),
    ),
    # --- Undeclared reads (rows 30, 35) ---
    Mistake(
        "undeclared_group",
        (30, 35),
        _on_models("model.allowance.digest_allowed == true", *_RIGHT),
        _by("build", "cases", "regal", "types"),
    ),
    Mistake(
        "undeclared_field",
        (30,),
        _on_models('model.risk.autonomy == "supervised"', *_RIGHT),
        _by("build", "regal", "types"),
    ),
    Mistake(
        "undeclared_evidence",
        (30,),
        _on_models('model.risk.evidence.source == "inventory"', *_RIGHT),
        _by("build", "regal", "types"),
    ),
    Mistake(
        "undeclared_request", (30,), _on_models("count(input.waivers) == 0", *_RIGHT), _by("build", "regal", "types")
    ),
    Mistake("reads_less_than_declared", (30, 40), _on_models(*_RIGHT[:2]), _by("build", "cases")),
    # --- Built-ins that can fail (row 36) ---
    Mistake(
        "prefix",
        (36, 40),
        _on_models(*_RIGHT[:2], 'startswith(model.risk.exposure, "p")'),
        _by("build", "cases", "regal"),
        alone=True,
    ),
    Mistake(
        "substring",
        (36, 40),
        _on_models(*_RIGHT[:2], 'contains("internal or partner", model.risk.exposure)'),
        _by("build", "cases", "regal"),
        alone=True,
    ),
    Mistake(
        "pattern",
        (36,),
        _on_models(*_RIGHT[:2], "regex.match(`internal|partner`, model.risk.exposure)"),
        _by("build", "cases", "regal"),
        alone=True,
    ),
    Mistake(
        "arithmetic",
        (36,),
        _on_models(_RIGHT[0], "model.registration.matches - 1 == 0", _RIGHT[2]),
        _by("build", "cases", "regal"),
        alone=True,
    ),
    Mistake(
        "to_number",
        (9, 36),
        _on_models(_RIGHT[0], "to_number(model.registration.matches) == 1", _RIGHT[2]),
        _by("build", "cases", "regal"),
        alone=True,
    ),
    # --- Or where and was meant, loops, arguments (row 40) ---
    Mistake(
        "two_bodies",
        (40,),
        _on_models(_RIGHT[0], _RIGHT[2]) + _on_models(_RIGHT[1], _RIGHT[2]),
        _by("cases"),
    ),
    Mistake(
        "loop_not_joined",
        (40,),
        _on_models("some model in input.facts.models", *_RIGHT, walk="some i, _ in input.facts.models"),
        _by("build", "cases", "regal"),
    ),
    Mistake(
        "second_loop_for_a_field",
        (40,),
        _on_models(*_RIGHT[:2], "some other in input.facts.models", 'other.risk.exposure in {"internal", "partner"}'),
        _by("cases"),
    ),
    Mistake(
        "index_fixed",
        (40,),
        _on_models(*_RIGHT[:2], 'input.facts.models[0].risk.exposure in {"internal", "partner"}'),
        _by("cases"),
    ),
    Mistake(
        "helper_ignores_argument",
        (40,),
        _on_models(*_RIGHT[:2], "_reachable(model)", below="\n_reachable(model) if model.risk.exposure\n"),
        _by("cases"),
    ),
    Mistake(
        "helper_looks_elsewhere",
        (40,),
        _on_models(
            *_RIGHT[:2],
            "_reachable(model)",
            below=(
                "\n_reachable(_) if {\n\tsome model in input.facts.models\n"
                '\tmodel.risk.exposure in {"internal", "partner"}\n}\n'
            ),
        ),
        _by("cases"),
    ),
    Mistake(
        "wrong_constant_set",
        (40,),
        _on_models(*_RIGHT[:2], 'model.risk.exposure in {model.risk.exposure, "partner"}'),
        _by("cases"),
    ),
    # --- Shapes of the inverted form ---
    Mistake("index_without_path", (1,), _on_models(*_RIGHT, head="i"), _by("build", "cases", "regal")),
    Mistake("string_place", (1,), _on_models(*_RIGHT, head='"models"'), _by("build", "cases", "regal")),
    Mistake("wrong_list_in_place", (1,), _on_models(*_RIGHT, head='["model", i]'), _by("build", "cases", "regal")),
    Mistake(
        "wrong_index",
        (1, 40),
        _on_models("some k, _ in input.facts.models", *_RIGHT, head='["models", k]'),
        _by("build", "cases", "regal"),
    ),
    Mistake(
        "all_places_written_out",
        (1,),
        'compliant contains ["models", 0] if input.facts.models[0].registration.registered == true\n\n'
        'compliant contains ["models", 1] if input.facts.models[1].registration.registered == true\n',
        _by("build", "cases", "regal"),
    ),
    Mistake(
        "boolean_rule",
        (1,),
        "\ncompliant if {\n\tsome model in input.facts.models\n\tmodel.registration.matches == 1\n}\n",
        _by("build", "cases", "regal", "types"),
        alone=True,
    ),
    Mistake(
        "brackets_of_v0",
        (1,),
        "\ncompliant[i] if {\n\tsome i, model in input.facts.models\n\tmodel.registration.matches == 1\n}\n",
        _by("build", "cases", "regal", "types"),
        alone=True,
    ),
    Mistake(
        "misnamed_set", (1,), packs.RIGHT.replace("compliant", "compliance"), _by("build", "cases", "regal"), alone=True
    ),
    Mistake(
        "every_over_empty",
        (1,),
        '\ncompliant contains [] if every name in input.facts.workload.unclassified { name == "x" }\n',
        _by("build", "regal"),
        ("{at: workload, about: subject, fields: {unclassified: strings}}",),
        "",
    ),
    # --- Defaults, replaced evidence, other data ---
    Mistake(
        "default_set",
        (1,),
        '\ndefault compliant := {["models", 0], ["models", 1]}\n' + packs.RIGHT,
        _by("build", "regal"),
        alone=True,
    ),
    Mistake(
        "default_function",
        (1,),
        _on_models(
            *_RIGHT[:2],
            "_right(model.risk)",
            below='\ndefault _right(_) := true\n\n_right(risk) if risk.exposure in {"internal", "partner"}\n',
        ),
        _by("build", "cases", "regal"),
    ),
    Mistake(
        "default_look_up",
        (1,),
        _on_models(*_RIGHT[:2], 'object.get(model, ["risk", "exposure"], "internal") in {"internal", "partner"}'),
        _by("build", "regal"),
    ),
    Mistake(
        "else_branch",
        (1,),
        _on_models(
            *_RIGHT[:2],
            "_right(model.risk)",
            below='\n_right(risk) if {\n\trisk.exposure in {"internal", "partner"}\n} else := true\n',
        ),
        _by("build", "cases", "regal"),
    ),
    Mistake(
        "with_in_a_rule",
        (27,),
        _on_models(*_RIGHT, '_always with input as {"x": 1}', below="\n_always if input.x == 1\n"),
        _by("build", "regal", "types"),
    ),
    Mistake(
        "other_data",
        (27,),
        _on_models(*_RIGHT, 'data.governance.index.rules["deployment.model_registered"].title'),
        _by("build", "regal"),
    ),
    Mistake(
        "import_of_main",
        (7, 27),
        _on_models(*_RIGHT, "decision.rules", imports="\nimport data.governance.index as decision\n"),
        _by("build", "regal"),
    ),
    Mistake("clock", (36,), _on_models(*_RIGHT, "time.now_ns() > 0"), _by("build", "regal", "types"), alone=True),
    Mistake(
        "configuration_name_misspelt",
        (16,),
        _on_models(
            *_RIGHT[:2], 'model.risk.exposure in config.list("exposure")', imports="\nimport data.governance.config\n"
        ),
        _by("build", "cases"),
        alone=True,
    ),
    Mistake(
        "configuration_name_computed",
        (16,),
        _on_models(
            *_RIGHT[:2],
            "model.risk.exposure in config.list(model.risk.exposure)",
            imports="\nimport data.governance.config\n",
        ),
        _by("build", "cases", "regal"),
        alone=True,
    ),
)
"""Wrong rules; each is found by exactly the defences that it names, and by one at least."""
