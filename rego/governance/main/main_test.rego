package governance.main_test

import future.keywords.not

import data.governance.main
import data.testing

# --- A small policy instead of the real one ------------------------------------------------------------------------

_digest := "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

_case := "sha256:eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"

_rule_digest := "sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

_now := "2026-03-02T12:00:00Z"

_evidence(about) := {"about": about, "tier": "observed", "observed_at": _now}

_model(name) := {"id": name, "digest": name, "card": {"complete": true, "evidence": _evidence(name)}}

_dataset(name, columns) := {
	"urn": name,
	"digest": name,
	"licence": {"id": "mit", "evidence": _evidence(name)},
	"columns": [{"name": column, "id": column} | some column in columns],
	"columns_count": {"count": count(columns), "evidence": _evidence(name)},
}

_question := {
	"schema": "proctor/input/v1",
	"point": "ci",
	"stage": "deployment",
	"operation": "deploy",
	"environment": "prod",
	"purpose": "scoring",
	"actor": {"id": "service:releasebot", "kind": "service", "groups": [], "authenticated_by": "key"},
	"subject": {
		"kind": "deployment",
		"id": "deployment:x",
		"name": "x",
		"digest": _digest,
		"parts": {"models": ["m1", "m2"], "datasets": ["d1", "d2"]},
	},
	"facts": {
		"models": [_model("m1"), _model("m2")],
		"datasets": [_dataset("d1", ["age", "name"]), _dataset("d2", ["age"])],
		"workload": {"limited": true, "evidence": _evidence(_digest)},
	},
	"waivers": [],
	"approvals": [],
	"context": {"now": _now, "effective_at": _now, "request_id": "r", "cases": {"t.a": _case, "t.b": _case, "t.c": _case}},
}

_scopes := {"": [], "models/*": ["models"], "datasets/*": ["datasets"], "datasets/*/columns/*": ["datasets", "columns"]}

_item_ids := {"": [], "models/*": ["id"], "datasets/*": ["urn"], "datasets/*/columns/*": ["urn", "name"]}

_need(scope, at, about, fields) := {"scope": scope, "at": at, "about": about, "fields": fields, "min_rank": 1, "max_age_s": 3600}

_needs := {
	"card": _need("models/*", "card", "item", {"complete": "boolean"}),
	"licence": _need("datasets/*", "licence", "item", {"id": "string"}),
	"workload": _need("", "workload", "subject", {"limited": "boolean"}),
}

# A rule as the index describes it: on a scope, with needs as [need, rel, length, soft].
_rule(scope, needs, differences) := object.union(
	{
		"scope": scope,
		"names": scope,
		"item_id": _item_ids[scope],
		"may_be_empty": false,
		"needs": [{"need": n[0], "rel": n[1], "length": n[2], "soft": n[3]} | some n in needs],
		"request": {},
		"approvable": false,
		"waivable": false,
		"effective_on": "",
		"digest": _rule_digest,
	},
	differences,
)

_whole := _rule("", [], {})

_index(rules, actions) := {
	"revision": "rev1",
	"rules": rules,
	"needs": _needs,
	"names": {rule.names: {"scope": rule.scope, "fields": rule.item_id} | some rule in rules},
	"scopes": _scopes,
	"select": {"deployment": {"deployment": {"deploy": {
		"codes": [code | some code, _ in rules],
		"needs": [need | some need in {entry.need | some rule in rules; some entry in rule.needs}],
		"scopes": [scope | some scope in _used(rules)],
		"names": [name | some name in {rule.names | some rule in rules}],
	}}}},
	"actions": {"tables": {"t0": actions}, "by": {"low": {"prod": {"ci": "t0"}, "staging": {"ci": "t0"}}}},
	"chains": {"low": {"prod": {code: [{"name": "owner", "needs": 1}] | some code, _ in rules}}},
	"limits": {"places": 1000},
}

_used(rules) := {rule.scope | some rule in rules} | {_needs[entry.need].scope |
	some rule in rules
	some entry in rule.needs
}

_low := {"value": "low", "unknown": []}

_decide(index, sets, question) := found if {
	found := main.decision with input as question
		with data.governance.index as index
		with data.governance.main.dispatch as sets
		with data.governance.lib.tiers.assessment as _low
}

# One rule, `t.a`, whose action is to deny.
_judge(rule, compliant, exempt, question) := _decide(
	_index({"t.a": rule}, {"t.a": "deny"}),
	{"compliant": {"t.a": compliant}, "exempt": {"t.a": exempt}},
	question,
)

_with(pointer, value) := testing.with_value(_question, pointer, value)

_without(pointer) := testing.without(_question, pointer)

_places(verdict) := {finding.at: finding.status | some finding in verdict.findings}

_gaps(verdict, at) := {gap.gap | some finding in verdict.findings; finding.at == at; some gap in finding.why}

_codes(verdict) := {problem.code | some problem in verdict.problems}

# Whatever it is, it is no allow, and at least one line says why.
_refused(verdict) if {
	verdict.outcome in {"deny", "error", "require_approval"}
	count(verdict.findings) + count(verdict.problems) > 0
}

# --- Every place is accounted for ----------------------------------------------------------------------------------

_m0 := ["models", 0]

_m1 := ["models", 1]

_on_models := _rule("models/*", [["card", "same", 2, false]], {})

test_what_is_proven_everywhere_is_allowed if {
	verdict := _judge(_on_models, {_m0, _m1}, set(), _question)
	verdict.outcome == "allow"
	verdict.findings == []
	verdict.problems == []
	verdict.rules == {"t.a": {"places": 2, "compliant": 2, "exempt": 0}}
	verdict.policy == {"revision": "rev1"}
	verdict.tier == _low
}

test_a_place_that_nobody_proved_is_a_finding if {
	verdict := _judge(_on_models, {_m1}, set(), _question)
	verdict.outcome == "deny"
	verdict.findings == [{
		"rule": "t.a",
		"at": _m0,
		"item": ["m1"],
		"status": "fail",
		"why": [],
		"effect": "deny",
		"by": null,
	}]
	verdict.rules == {"t.a": {"places": 2, "compliant": 1, "exempt": 0}}
}

test_a_silent_rule_fails_everywhere if {
	verdict := _judge(_on_models, set(), set(), _question)
	verdict.outcome == "deny"
	_places(verdict) == {_m0: "fail", _m1: "fail"}
}

# An author's mistakes in the head: none of them proves anything.
test_what_is_no_place_of_the_rule_proves_nothing if {
	every place in [
		["models", 2],
		["models", "0"],
		["models"],
		["model", 0],
		["images", 0],
		[],
		"models/0",
		0,
		true,
		null,
		{"models": 0},
		["models", 0, "card"],
	] {
		verdict := _judge(_on_models, {place}, {place}, _question)
		_places(verdict) == {_m0: "fail", _m1: "fail"}
		verdict.rules["t.a"] == {"places": 2, "compliant": 0, "exempt": 0}
	}
}

test_an_exempt_place_is_no_finding_and_no_pass if {
	verdict := _judge(_on_models, {_m0}, {_m1}, _question)
	verdict.outcome == "allow"
	verdict.rules == {"t.a": {"places": 2, "compliant": 1, "exempt": 1}}
}

test_what_is_compliant_and_exempt_is_counted_once if {
	verdict := _judge(_on_models, {_m0, _m1}, {_m0, _m1}, _question)
	verdict.rules == {"t.a": {"places": 2, "compliant": 2, "exempt": 0}}
}

test_the_whole_request_is_one_place if {
	_judge(_whole, {[]}, set(), _question).outcome == "allow"
	_places(_judge(_whole, set(), set(), _question)) == {[]: "fail"}
	_judge(_whole, {["models", 0], "x", true}, set(), _question).outcome == "deny"
}

_columns := _rule("datasets/*/columns/*", [["licence", "up", 2, false]], {})

_all_columns := {["datasets", 0, "columns", 0], ["datasets", 0, "columns", 1], ["datasets", 1, "columns", 0]}

test_nested_places_are_judged_one_by_one if {
	_judge(_columns, _all_columns, set(), _question).outcome == "allow"
	verdict := _judge(_columns, _all_columns - {["datasets", 0, "columns", 1]}, set(), _question)
	verdict.rules == {"t.a": {"places": 3, "compliant": 2, "exempt": 0}}
	[[finding.at, finding.item] | some finding in verdict.findings] == [[["datasets", 0, "columns", 1], ["d1", "name"]]]
}

# --- Evidence ------------------------------------------------------------------------------------------------------

test_unproven_evidence_blocks_its_own_place_only if {
	every question in [
		_without("/facts/models/0/card"),
		_without("/facts/models/0/card/complete"),
		_with("/facts/models/0/card/complete", "true"),
		_with("/facts/models/0/card/evidence/about", "m2"),
		_with("/facts/models/0/card/evidence/tier", "declared"),
		_with("/facts/models/0/card/evidence/observed_at", "2026-03-02T11:00:00Z"),
		_with("/facts/models/0/card/evidence/observed_at", "2026-03-02T12:05:01Z"),
		_with("/facts/models/0/card", []),
	] {
		verdict := _judge(_on_models, {_m0, _m1}, set(), question)
		verdict.outcome == "deny"
		_places(verdict) == {_m0: "not_evaluable"}
		count(_gaps(verdict, _m0)) > 0
	}
}

test_a_gap_names_the_group if {
	verdict := _judge(_on_models, {_m0, _m1}, set(), _without("/facts/models/1/card/complete"))
	verdict.findings[0].why == [{"gap": "missing", "field": "complete", "at": ["models", 1, "card"]}]
}

test_a_hard_gap_blocks_the_exemption_too if {
	verdict := _judge(_on_models, set(), {_m0, _m1}, _without("/facts/models/0/card"))
	_places(verdict) == {_m0: "not_evaluable"}
}

_soft := _rule("models/*", [["card", "same", 2, true]], {})

test_a_soft_gap_blocks_the_pass_and_not_the_exemption if {
	question := _without("/facts/models/0/card")
	verdict := _judge(_soft, {_m1}, {_m0}, question)
	verdict.outcome == "allow"
	verdict.rules == {"t.a": {"places": 2, "compliant": 1, "exempt": 1}}
	_places(_judge(_soft, {_m0, _m1}, set(), question)) == {_m0: "not_evaluable"}
}

test_evidence_on_the_parent_blocks_all_its_children if {
	verdict := _judge(_columns, _all_columns, set(), _without("/facts/datasets/0/licence"))
	_places(verdict) == {["datasets", 0, "columns", 0]: "not_evaluable", ["datasets", 0, "columns", 1]: "not_evaluable"}
	_gaps(verdict, ["datasets", 0, "columns", 0]) == {"absent"}
	verdict.findings[0].why == [{"gap": "absent", "at": ["datasets", 0, "licence"]}]
}

_of_all := _rule("models/*", [["licence", "all", 2, false]], {})

test_evidence_on_another_list_blocks_every_place if {
	_judge(_of_all, {_m0, _m1}, set(), _question).outcome == "allow"
	every question in [
		_without("/facts/datasets/1/licence"),
		_without("/facts/datasets/1"),
		_with("/facts/datasets", []),
		_without("/facts/datasets"),
	] {
		verdict := _judge(_of_all, {_m0, _m1}, {_m0, _m1}, question)
		_places(verdict) == {_m0: "not_evaluable", _m1: "not_evaluable"}
		count(_gaps(verdict, _m0)) > 0
	}
}

# What the index says unclearly blocks more, never less.
test_an_unclear_relation_blocks_every_place if {
	question := _without("/facts/models/0/card")
	every entry in [{"need": "card"}, {"need": "card", "rel": "near", "length": 2, "soft": false}, {"need": "card", "rel": null, "soft": false}] {
		verdict := _judge(object.union(_on_models, {"needs": [entry]}), {_m0, _m1}, {_m0, _m1}, question)
		_places(verdict) == {_m0: "not_evaluable", _m1: "not_evaluable"}
	}
	every soft in [null, "true", 1, []] {
		entry := {"need": "card", "rel": "same", "length": 2, "soft": soft}
		verdict := _judge(object.union(_on_models, {"needs": [entry]}), {_m1}, {_m0}, question)
		_places(verdict) == {_m0: "not_evaluable"}
	}
}

_of_subject := _rule("models/*", [["workload", "up", 0, false]], {})

test_evidence_on_the_whole_request_blocks_every_place if {
	_judge(_of_subject, {_m0, _m1}, set(), _question).outcome == "allow"
	verdict := _judge(_of_subject, {_m0, _m1}, set(), _without("/facts/workload"))
	_places(verdict) == {_m0: "not_evaluable", _m1: "not_evaluable"}
}

_about(kind) := found if {
	index := object.union(
		_index({"t.a": _rule("", [["workload", "same", 0, false]], {})}, {"t.a": "deny"}),
		{"needs": {"workload": {"about": kind}}},
	)
	found := {about: _decide(
		index,
		{"compliant": {"t.a": {[]}}, "exempt": {"t.a": set()}},
		_with("/facts/workload/evidence/about", about),
	).outcome |
		some about in [_digest, "service:releasebot", "scoring"]
	}
}

test_evidence_is_about_what_the_rule_asks_for if {
	_about("subject") == {_digest: "allow", "service:releasebot": "deny", "scoring": "deny"}
	_about("actor") == {_digest: "deny", "service:releasebot": "allow", "scoring": "deny"}
	_about("purpose") == {_digest: "deny", "service:releasebot": "deny", "scoring": "allow"}
	_about("nonsense") == {_digest: "deny", "service:releasebot": "deny", "scoring": "deny"}
}

_asking := _rule("models/*", [], {"request": {"purpose": "string"}})

test_a_request_field_is_evidence if {
	_judge(_asking, {_m0, _m1}, set(), _question).outcome == "allow"
	every question in [_without("/purpose"), _with("/purpose", null), _with("/purpose", ""), _with("/purpose", 5), _with("/purpose", ["x"])] {
		verdict := _judge(_asking, {_m0, _m1}, {_m0, _m1}, question)
		_places(verdict) == {_m0: "not_evaluable", _m1: "not_evaluable"}
		verdict.findings[0].why == [{"at": [], "gap": "request", "field": "purpose"}]
	}
}

# --- Lists ---------------------------------------------------------------------------------------------------------

test_a_list_that_is_not_proven_complete_is_one_place_of_its_own if {
	every question in [
		_without("/facts/models/0"),
		_without("/facts/models"),
		_with("/facts/models", []),
		_with("/facts/models", {"0": _model("m1"), "1": _model("m2")}),
		_with("/facts/models", "m1"),
		_with("/facts/models/1", _model("m1")),
		_with("/facts/models/1", _model("m3")),
		_with("/facts/models/1", null),
		_with("/subject/parts/models", ["m1"]),
		_with("/subject/parts/models", ["m1", "m2", "m3"]),
		_without("/subject/parts/models"),
	] {
		verdict := _judge(_on_models, {_m0, _m1}, {_m0, _m1}, question)
		verdict.outcome == "deny"
		_places(verdict) == {["models"]: "not_evaluable"}
		verdict.rules == {"t.a": {"places": 1, "compliant": 0, "exempt": 0}}
		verdict.findings[0].item == []
		verdict.findings[0].why[0].at == ["models"]
	}
}

_empty := testing.with_values(_question, {"/facts/models": [], "/subject/parts/models": []})

test_an_empty_list_proves_nothing_unless_it_may_be_empty if {
	verdict := _judge(_on_models, set(), set(), _empty)
	verdict.outcome == "deny"
	_gaps(verdict, ["models"]) == {"list_empty"}
	allowed := _judge(object.union(_on_models, {"may_be_empty": true}), set(), set(), _empty)
	allowed.outcome == "allow"
	allowed.rules == {"t.a": {"places": 0, "compliant": 0, "exempt": 0}}
	every value in ["true", 1, null, []] {
		_judge(object.union(_on_models, {"may_be_empty": value}), set(), set(), _empty).outcome == "deny"
	}
}

# A failed provider's `[]` must not look like a list without items.
test_an_empty_list_that_should_hold_something_never_may_be_empty if {
	verdict := _judge(object.union(_on_models, {"may_be_empty": true}), set(), set(), _with("/facts/models", []))
	verdict.outcome == "deny"
	_gaps(verdict, ["models"]) == {"list_incomplete"}
}

test_a_list_that_is_empty_and_incomplete_is_one_place if {
	verdict := _judge(_on_models, set(), set(), _with("/facts/models", []))
	verdict.rules["t.a"].places == 1
	_gaps(verdict, ["models"]) == {"list_incomplete", "list_empty"}
}

test_a_nested_list_needs_its_proven_count if {
	every question in [
		_without("/facts/datasets/0/columns/1"),
		_without("/facts/datasets/0/columns_count"),
		_with("/facts/datasets/0/columns", []),
		_with("/facts/datasets/0/columns_count/count", 3),
		_with("/facts/datasets/0/columns_count/evidence/tier", "declared"),
		_with("/facts/datasets/0/columns_count/evidence/about", "d2"),
	] {
		verdict := _judge(_columns, _all_columns, _all_columns, question)
		verdict.outcome == "deny"
		_places(verdict) == {["datasets", 0, "columns"]: "not_evaluable"}
	}
}

test_a_nested_list_may_be_empty_only_where_the_rule_says_so if {
	question := testing.with_values(_question, {"/facts/datasets/1/columns": [], "/facts/datasets/1/columns_count/count": 0})
	verdict := _judge(_columns, _all_columns, set(), question)
	_places(verdict) == {["datasets", 1, "columns"]: "not_evaluable"}
	_judge(object.union(_columns, {"may_be_empty": true}), _all_columns, set(), question).outcome == "allow"
}

test_a_rule_on_nothing_but_the_request_needs_no_list if {
	_judge(_whole, {[]}, set(), _without("/facts/models")).outcome == "allow"
}

# --- Identity ------------------------------------------------------------------------------------------------------

test_an_item_without_identity_is_neither_compliant_nor_exempt if {
	every name in [null, "", 5, [], ["m1"], {}] {
		verdict := _judge(_on_models, {_m0, _m1}, {_m0, _m1}, _with("/facts/models/0/id", name))
		verdict.outcome == "deny"
		_places(verdict) == {_m0: "not_evaluable"}
		verdict.findings[0].why == [{"at": _m0, "gap": "unidentified"}]
		verdict.findings[0].item == []
	}
}

test_a_nested_item_needs_an_identity_at_each_level if {
	parent := _judge(_columns, _all_columns, set(), _without("/facts/datasets/1/urn"))
	_places(parent) == {["datasets", 1, "columns", 0]: "not_evaluable"}
	child := _judge(_columns, _all_columns, set(), _without("/facts/datasets/0/columns/0/name"))
	_places(child) == {["datasets", 0, "columns", 0]: "not_evaluable"}
}

# --- Effects -------------------------------------------------------------------------------------------------------

_waiver(code, item) := {
	"id": sprintf("wvr_%s", [code]),
	"rule": code,
	"subject_digest": _digest,
	"environment": "prod",
	"item": item,
	"from": "2026-03-01T00:00:00Z",
	"until": "2026-03-31T00:00:00Z",
	"requested_by": "person:alice",
	"signed_by": "person:bruno",
}

_approval(code, item) := {
	"id": sprintf("apr_%s", [code]),
	"subject_digest": _digest,
	"environment": "prod",
	"from": "2026-03-01T00:00:00Z",
	"until": "2026-03-31T00:00:00Z",
	"covers": [{"rule": code, "rule_digest": _rule_digest, "case_digest": _case, "item": item}],
	"votes": [{"by": "person:carla", "step": "owner", "vote": "yes"}],
}

_both := {"approvable": true, "waivable": {"max_days": 30}}

_evidenced(differences) := _rule("", [["workload", "same", 0, false]], differences)

# The effect on one failing whole request: [action, rule's differences, input's differences].
_effect(action, differences, values) := finding.effect if {
	verdict := _decide(
		_index({"t.a": _evidenced(differences)}, {"t.a": action}),
		{"compliant": {"t.a": set()}, "exempt": {"t.a": set()}},
		testing.with_values(_question, values),
	)
	verdict.problems == []
	count(verdict.findings) == 1
	some finding in verdict.findings
	object.keys(finding) == {"rule", "at", "item", "status", "effect", "why", "by"}
}

_waived := {"/waivers": [_waiver("t.a", [])]}

_approved := {"/approvals": [_approval("t.a", [])]}

_weak := {"/facts/workload/evidence/tier": "declared"}

_later := {"effective_on": "2026-03-02T12:00:00.000000001Z"}

test_the_effects_have_an_order if {
	every row in [
		["deny", {}, {}, "deny"],
		["deny", {"approvable": true}, {}, "ask"],
		["deny", _both, _approved, "approved"],
		["deny", _both, _waived, "waived"],
		["deny", _both, object.union(_waived, _approved), "waived"],
		["warn", _both, object.union(_waived, _approved), "warn"],
		["warn", {}, {}, "warn"],
		["deny", object.union(_both, _later), object.union(_waived, _approved), "warn"],
		["deny", _later, {}, "warn"],
		["dryrun", object.union(_both, _later), object.union(_waived, _approved), "dryrun"],
		["dryrun", {}, {}, "dryrun"],
	] {
		_effect(row[0], row[1], row[2]) == row[3]
	}
}

test_what_is_not_evaluable_is_never_waived_approved_or_asked_about if {
	every values in [_weak, object.union(_weak, _waived), object.union(_weak, _approved), object.union(_weak, object.union(_waived, _approved))] {
		_effect("deny", _both, values) == "deny"
	}
}

test_configuration_decides_what_happens_to_the_not_evaluable_too if {
	_effect("warn", {}, _weak) == "warn"
	_effect("dryrun", {}, _weak) == "dryrun"
	_effect("deny", _later, _weak) == "warn"
}

test_only_a_waivable_rule_is_waived_and_an_approvable_one_approved if {
	_effect("deny", {}, _waived) == "deny"
	_effect("deny", {"waivable": false, "approvable": true}, _waived) == "ask"
	_effect("deny", {}, _approved) == "deny"
	_effect("deny", {"waivable": {"max_days": 30}}, _approved) == "deny"
	every value in ["true", 1, null, []] {
		_effect("deny", {"approvable": value}, {}) == "deny"
	}
}

test_a_rule_is_in_force_from_its_first_instant if {
	_effect("deny", {"effective_on": _now}, {}) == "deny"
	_effect("deny", {"effective_on": "2026-03-02T12:00:01Z"}, {}) == "warn"
	_effect("deny", {"effective_on": ""}, {}) == "deny"
}

# A date that nobody can read must not postpone a rule for ever.
test_an_unreadable_date_postpones_nothing if {
	every date in ["2200-01-01T00:00:00Z", "2026-04-01", "never", null, 5, "2026-02-30T00:00:00Z"] {
		_effect("deny", {"effective_on": date}, {}) == "deny"
	}
}

# The clock that ages evidence and the one that dates rules are two: an audit looks ahead without making facts stale.
test_effective_at_dates_rules_and_now_ages_evidence if {
	future := {"/context/effective_at": "2027-01-01T00:00:00Z"}
	_effect("deny", {"effective_on": "2026-06-01T00:00:00Z"}, {}) == "warn"
	_effect("deny", {"effective_on": "2026-06-01T00:00:00Z"}, future) == "deny"
	_effect("deny", _both, object.union(future, _waived)) == "waived"
	verdict := _judge(_evidenced({}), {[]}, set(), _with("/context/effective_at", "2027-01-01T00:00:00Z"))
	verdict.outcome == "allow"
	_places(_judge(_evidenced({}), {[]}, set(), _with("/context/now", "2026-03-02T13:00:00Z"))) == {[]: "not_evaluable"}
}

test_an_exception_is_named_by_the_finding if {
	_found("/waivers", [_waiver("t.a", [])]) == ["waived", "wvr_t.a"]
	_found("/approvals", [_approval("t.a", [])]) == ["approved", "apr_t.a"]
	several := [object.union(_waiver("t.a", []), {"id": id}) | some id in ["wvr_2", "wvr_1", "wvr_3"]]
	_found("/waivers", several) == ["waived", "wvr_1"]
}

_found(pointer, value) := [verdict.findings[0].effect, verdict.findings[0].by] if {
	verdict := _judge(_evidenced(_both), set(), set(), _with(pointer, value))
}

# The engine checks that an exception which the verdict names was in the input; one without a name can't be checked.
test_an_exception_without_an_id_counts_nothing if {
	every id in [null, 5, true, [], {}] {
		_found("/waivers", [object.union(_waiver("t.a", []), {"id": id})]) == ["ask", null]
		_found("/approvals", [object.union(_approval("t.a", []), {"id": id})]) == ["ask", null]
	}
	_found("/waivers", [json.remove(_waiver("t.a", []), ["id"])]) == ["ask", null]
}

test_one_broken_exception_hides_no_other if {
	_found("/waivers", [null, 5, {}, object.union(_waiver("t.a", []), {"until": "9999-01-01T00:00:00Z"}), _waiver("t.a", [])]) == ["waived", "wvr_t.a"]
	_found("/approvals", [null, 5, {}, _approval("t.a", [])]) == ["approved", "apr_t.a"]
}

# --- Exceptions name their item ------------------------------------------------------------------------------------

_models_with(differences) := object.union(_on_models, differences)

_excused(question) := {finding.at: finding.effect |
	some finding in _judge(_models_with(_both), set(), set(), question).findings
}

test_an_exception_covers_the_named_item_only if {
	_excused(_with("/waivers", [_waiver("t.a", ["m2"])])) == {_m0: "ask", _m1: "waived"}
	_excused(_with("/approvals", [_approval("t.a", ["m2"])])) == {_m0: "ask", _m1: "approved"}
}

test_an_exception_moves_with_its_item if {
	swapped := testing.with_value(
		_with("/waivers", [_waiver("t.a", ["m2"])]),
		"/facts/models",
		[_question.facts.models[1], _question.facts.models[0]],
	)
	_excused(swapped) == {_m0: "waived", _m1: "ask"}
}

test_an_exception_covers_nothing_where_two_places_have_its_name if {
	twins := testing.with_values(_question, {
		"/facts/models/1/id": "m1",
		"/waivers": [_waiver("t.a", ["m1"])],
		"/approvals": [_approval("t.a", ["m1"])],
	})
	_excused(twins) == {_m0: "ask", _m1: "ask"}
}

test_an_exception_for_a_column_names_its_dataset if {
	verdict := _judge(object.union(_columns, _both), set(), set(), _with("/waivers", [_waiver("t.a", ["d2", "age"])]))
	{finding.at: finding.effect | some finding in verdict.findings} == {
		["datasets", 0, "columns", 0]: "ask",
		["datasets", 0, "columns", 1]: "ask",
		["datasets", 1, "columns", 0]: "waived",
	}
}

test_a_waiver_does_not_survive_the_loss_of_the_evidence if {
	question := testing.without(_with("/waivers", [_waiver("t.a", ["m2"])]), "/facts/models/1/card")
	_excused(question) == {_m0: "ask", _m1: "deny"}
}

test_an_approval_needs_the_chain_of_this_tier_and_environment if {
	index := _index({"t.a": _evidenced(_both)}, {"t.a": "deny"})
	sets := {"compliant": {"t.a": set()}, "exempt": {"t.a": set()}}
	question := testing.with_values(_question, _approved)
	_decide(index, sets, question).outcome == "allow"
	every chains in [
		{},
		{"low": {}},
		{"low": {"staging": {"t.a": [{"name": "owner", "needs": 1}]}}},
		{"high": {"prod": {"t.a": [{"name": "owner", "needs": 1}]}}},
		{"low": {"prod": {"t.b": [{"name": "owner", "needs": 1}]}}},
		{"low": {"prod": {"t.a": []}}},
		{"low": {"prod": {"t.a": [{"name": "owner", "needs": 2}]}}},
	] {
		without := json.patch(index, [{"op": "replace", "path": "/chains", "value": chains}])
		_decide(without, sets, question).outcome == "require_approval"
	}
}

test_an_approval_needs_the_case_that_the_engine_computed if {
	question := testing.with_values(_question, _approved)
	every cases in [{}, {"t.b": _case}, {"t.a": null}, {"t.a": "sha256:0"}, null, []] {
		_judge(_evidenced(_both), set(), set(), testing.with_value(question, "/context/cases", cases)).outcome == "require_approval"
	}
	_judge(_evidenced(_both), set(), set(), testing.without(question, "/context/cases")).outcome == "require_approval"
}

# --- The outcome follows from the effects --------------------------------------------------------------------------

# How a rule comes to each effect: [action, differences, has a waiver, has an approval, is proven].
_ways := {
	"none": ["deny", {}, false, false, true],
	"dryrun": ["dryrun", {}, false, false, false],
	"warn": ["warn", {}, false, false, false],
	"waived": ["deny", _both, true, false, false],
	"approved": ["deny", _both, false, true, false],
	"ask": ["deny", _both, false, false, false],
	"deny": ["deny", {}, false, false, false],
}

_outcome(effects) := verdict.outcome if {
	verdict := _decide(
		_index(
			{code: _rule("", [], _ways[effect][1]) | some code, effect in effects},
			{code: _ways[effect][0] | some code, effect in effects},
		),
		{
			"compliant": {code: {[] | _ways[effect][4] == true} | some code, effect in effects},
			"exempt": {code: set() | some code, _ in effects},
		},
		testing.with_values(_question, {
			"/waivers": [_waiver(code, []) | some code, effect in effects; _ways[effect][2] == true],
			"/approvals": [_approval(code, []) | some code, effect in effects; _ways[effect][3] == true],
		}),
	)
	{finding.effect | some finding in verdict.findings} == {effect | some effect in effects; effect != "none"}
}

_stops := {"deny": "deny", "ask": "require_approval"}

test_one_rule_one_effect if {
	every effect, _ in _ways {
		_outcome({"t.a": effect}) == object.get(_stops, effect, "allow")
	}
}

# The strongest effect decides, whichever rule it comes from.
test_every_pair_of_effects_in_every_order if {
	every first, _ in _ways {
		every second, _ in _ways {
			strongest := [outcome | some outcome in ["deny", "ask"]; outcome in {first, second}]
			expected := object.get(_stops, array.concat(strongest, ["allow"])[0], "allow")
			_outcome({"t.a": first, "t.b": second}) == expected
		}
	}
}

test_three_effects_together if {
	_outcome({"t.a": "waived", "t.b": "approved", "t.c": "warn"}) == "allow"
	_outcome({"t.a": "waived", "t.b": "ask", "t.c": "approved"}) == "require_approval"
	_outcome({"t.a": "ask", "t.b": "deny", "t.c": "approved"}) == "deny"
	_outcome({"t.a": "none", "t.b": "dryrun", "t.c": "none"}) == "allow"
}

# --- Sound or not --------------------------------------------------------------------------------------------------

test_a_rule_without_its_sets_is_broken if {
	good := {"compliant": {"t.a": {[]}}, "exempt": {"t.a": set()}}
	index := _index({"t.a": _whole}, {"t.a": "deny"})
	_decide(index, good, _question).outcome == "allow"
	every sets in [
		{},
		{"compliant": {}, "exempt": {}},
		{"compliant": {"t.a": {[]}}, "exempt": {}},
		{"compliant": {}, "exempt": {"t.a": set()}},
		{"compliant": {"t.b": {[]}}, "exempt": {"t.b": set()}},
		{"compliant": {"t.a": true}, "exempt": {"t.a": set()}},
		{"compliant": {"t.a": [[]]}, "exempt": {"t.a": set()}},
		{"compliant": {"t.a": {"x": []}}, "exempt": {"t.a": set()}},
		{"compliant": {"t.a": {[]}}, "exempt": {"t.a": null}},
		{"compliant": {"t.a": {[]}}, "exempt": {"t.a": []}},
	] {
		verdict := _decide(index, sets, _question)
		verdict.outcome == "error"
		_codes(verdict) == {"rule_broken"}
		verdict.problems[0].detail == "t.a"
	}
}

test_one_broken_rule_of_several_is_an_error if {
	index := _index({"t.a": _whole, "t.b": _whole}, {"t.a": "deny", "t.b": "deny"})
	verdict := _decide(index, {"compliant": {"t.a": {[]}, "t.b": "x"}, "exempt": {"t.a": set(), "t.b": set()}}, _question)
	verdict.outcome == "error"
	verdict.problems == [{"code": "rule_broken", "detail": "t.b"}]
}

# A problem is no denial and no question to people: nobody could approve what nobody judged.
test_a_problem_outweighs_every_effect if {
	every row in [[{}, "deny"], [_both, "deny"], [{}, "warn"]] {
		index := _index({"t.a": object.union(_whole, row[0]), "t.b": _whole}, {"t.a": row[1], "t.b": "deny"})
		verdict := _decide(index, {"compliant": {"t.a": set()}, "exempt": {"t.a": set()}}, _question)
		verdict.outcome == "error"
		count(verdict.findings) == 1
		_codes(verdict) == {"rule_broken"}
	}
}

test_an_action_outside_the_closed_set_is_an_error if {
	every action in ["off", "Deny", "deny ", "", "allow", null, true, [], {}] {
		verdict := _decide(
			_index({"t.a": _whole}, {"t.a": action}),
			{"compliant": {"t.a": {[]}}, "exempt": {"t.a": set()}},
			_question,
		)
		verdict.outcome == "error"
		verdict.problems == [{"code": "bad_action", "detail": "t.a"}]
	}
	absent := _decide(
		_index({"t.a": _whole}, {"t.b": "deny"}),
		{"compliant": {"t.a": {[]}}, "exempt": {"t.a": set()}},
		_question,
	)
	_codes(absent) == {"bad_action"}
}

test_more_places_than_the_limit_are_an_error if {
	index := _index({"t.a": _on_models}, {"t.a": "deny"})
	sets := {"compliant": {"t.a": {_m0, _m1}}, "exempt": {"t.a": set()}}
	_decide(object.union(index, {"limits": {"places": 2}}), sets, _question).outcome == "allow"
	verdict := _decide(object.union(index, {"limits": {"places": 1}}), sets, _question)
	verdict.outcome == "error"
	_codes(verdict) == {"too_many_places"}
}

# Whatever the index demands and cannot be done is missed by the counts: less work must not look like less to object to.
test_an_index_that_contradicts_itself_never_allows if {
	index := _index({"t.a": _on_models}, {"t.a": "deny"})
	sets := {"compliant": {"t.a": {_m0, _m1}}, "exempt": {"t.a": {_m0, _m1}}}
	_decide(index, sets, _question).outcome == "allow"
	every patch in [
		[{"op": "remove", "path": "/needs/card"}],
		[{"op": "remove", "path": "/needs/card/fields"}],
		[{"op": "remove", "path": "/needs/card/min_rank"}],
		[{"op": "remove", "path": "/needs/card/max_age_s"}],
		[{"op": "replace", "path": "/needs/card/scope", "value": "nonsense"}],
		[{"op": "replace", "path": "/needs/card/about", "value": "nonsense"}],
		[{"op": "remove", "path": "/names/models~1*"}],
		[{"op": "replace", "path": "/names/models~1*/fields", "value": []}],
		[{"op": "remove", "path": "/scopes/models~1*"}],
		[{"op": "replace", "path": "/scopes/models~1*", "value": ["a", "b", "c"]}],
		[{"op": "remove", "path": "/rules/t.a"}],
		[{"op": "remove", "path": "/rules/t.a/needs"}],
		[{"op": "remove", "path": "/rules/t.a/scope"}],
		[{"op": "remove", "path": "/rules/t.a/names"}],
		[{"op": "remove", "path": "/rules/t.a/request"}],
		[{"op": "replace", "path": "/rules/t.a/needs", "value": {}}],
		[{"op": "replace", "path": "/rules/t.a/request", "value": null}],
		[{"op": "remove", "path": "/actions/tables/t0"}],
		[{"op": "remove", "path": "/actions"}],
		[{"op": "remove", "path": "/select/deployment/deployment/deploy/needs"}],
		[{"op": "remove", "path": "/select/deployment/deployment/deploy/scopes"}],
		[{"op": "remove", "path": "/select/deployment/deployment/deploy/names"}],
		[{"op": "replace", "path": "/select/deployment/deployment/deploy/needs", "value": []}],
		[{"op": "replace", "path": "/select/deployment/deployment/deploy/scopes", "value": []}],
		[{"op": "replace", "path": "/select/deployment/deployment/deploy/names", "value": []}],
		[{"op": "replace", "path": "/select/deployment/deployment/deploy/codes", "value": []}],
		[{"op": "replace", "path": "/select/deployment/deployment/deploy/codes", "value": ["t.a", "t.b"]}],
	] {
		_refused(_decide(json.patch(index, patch), sets, _question))
	}
}

test_what_the_index_does_not_describe_is_said if {
	index := _index({"t.a": _on_models}, {"t.a": "deny"})
	every pointer in ["/needs/card", "/scopes/models~1*"] {
		verdict := _decide(testing.without(index, pointer), {"compliant": {"t.a": {_m0}}, "exempt": {"t.a": set()}}, _question)
		verdict.outcome == "error"
		"bad_index" in _codes(verdict)
	}
}

test_without_an_index_there_are_no_rules if {
	every index in [{}, {"rules": {}}, {"rules": null}, {"revision": "rev1"}, {"revision": "rev1", "rules": []}] {
		verdict := _decide(index, {}, _question)
		verdict.outcome == "error"
		"no_rules" in _codes(verdict)
	}
}

test_an_unknown_tier_knows_no_environment if {
	every tier in ["extreme", "Low", null, [], {}] {
		verdict := main.decision with input as _question
			with data.governance.index as _index({"t.a": _whole}, {"t.a": "deny"})
			with data.governance.main.dispatch as {"compliant": {"t.a": {[]}}, "exempt": {"t.a": set()}}
			with data.governance.lib.tiers.assessment as {"value": tier, "unknown": []}
		verdict.outcome == "error"
		"unknown_environment" in _codes(verdict)
	}
}

# --- The real policy -----------------------------------------------------------------------------------------------

_samples := [data.samples.deployment, data.samples.runtime]

_problems(document) := _codes(testing.decision(document))

test_the_samples_are_allowed if {
	every sample in _samples {
		verdict := testing.decision(sample)
		verdict.outcome == "allow"
		verdict.problems == []
		verdict.findings == []
		count(verdict.rules) > 0
	}
}

_not_words := [null, true, 5, "", "x", [], ["x"], {}, {"x": "x"}]

test_each_word_of_the_question_is_needed if {
	every sample in _samples {
		every row in [
			["/schema", "bad_schema"],
			["/stage", "unknown_stage"],
			["/operation", "unknown_operation"],
			["/environment", "unknown_environment"],
			["/point", "unknown_point"],
			["/actor/id", "bad_actor"],
			["/subject/digest", "bad_subject"],
			["/subject/kind", "unknown_operation"],
			["/context/now", "bad_clock"],
			["/context/effective_at", "bad_clock"],
		] {
			testing.decision(testing.without(sample, row[0])).outcome == "error"
			row[1] in _problems(testing.without(sample, row[0]))
			every value in _not_words {
				testing.decision(testing.with_value(sample, row[0], value)).outcome == "error"
				row[1] in _problems(testing.with_value(sample, row[0], value))
			}
		}
	}
}

test_each_part_of_the_question_is_needed if {
	every sample in _samples {
		every row in [
			["/actor", "bad_actor"],
			["/subject", "bad_subject"],
			["/subject/parts", "bad_subject"],
			["/facts", "bad_facts"],
			["/context", "bad_clock"],
			["/waivers", "bad_waivers"],
			["/approvals", "bad_waivers"],
		] {
			testing.decision(testing.without(sample, row[0])).outcome == "error"
			row[1] in _problems(testing.without(sample, row[0]))
			every value in [null, true, 5, "", "x"] {
				testing.decision(testing.with_value(sample, row[0], value)).outcome == "error"
				row[1] in _problems(testing.with_value(sample, row[0], value))
			}
		}
		every value in [[], {}] {
			every pointer in ["/actor", "/subject", "/context"] {
				testing.decision(testing.with_value(sample, pointer, value)).outcome == "error"
			}
		}
		_problems(testing.with_value(sample, "/facts", [])) == {"bad_facts"}
		"bad_waivers" in _problems(testing.with_value(sample, "/waivers", {}))
		"bad_waivers" in _problems(testing.with_value(sample, "/approvals", {"0": {}}))
	}
}

# A wildcard would give a misspelt environment the weakest action.
test_words_that_are_almost_right_are_unknown if {
	every sample in _samples {
		every word in ["Prod", "PROD", "prod ", " prod", "production", "*", "prod\n"] {
			_problems(testing.with_value(sample, "/environment", word)) == {"unknown_environment"}
		}
		every word in ["CI", "kubernetes", "kubernetes_admission", "*"] {
			_problems(testing.with_value(sample, "/point", word)) == {"unknown_point"}
		}
		every word in ["Deployment", "deploy", "*"] {
			_problems(testing.with_value(sample, "/stage", word)) == {"unknown_stage"}
		}
		every word in ["Deploy", "delete", "promote", "*"] {
			_problems(testing.with_value(sample, "/operation", word)) == {"unknown_operation"}
		}
		every word in ["sha256:AAAA", upper(sample.subject.digest), sprintf("%s0", [sample.subject.digest]), "sha256:"] {
			"bad_subject" in _problems(testing.with_value(sample, "/subject/digest", word))
		}
		every word in ["proctor/input/v2", "proctor/input/v1 ", "Proctor/input/v1"] {
			_problems(testing.with_value(sample, "/schema", word)) == {"bad_schema"}
		}
	}
}

# Each says what is wrong in a sentence, and nothing else: a bad clock is no bad index.
test_problems_are_a_code_and_a_sentence if {
	every sample in _samples {
		every row in [
			["/schema", "x", {"bad_schema"}],
			["/context/now", "x", {"bad_clock"}],
			["/actor/id", "x", {"bad_actor"}],
			["/subject/digest", "x", {"bad_subject"}],
			["/subject/kind", null, {"bad_subject", "unknown_operation"}],
			["/facts", [], {"bad_facts"}],
			["/waivers", null, {"bad_waivers"}],
			["/stage", "x", {"unknown_stage"}],
			["/operation", "x", {"unknown_operation"}],
			["/environment", "x", {"unknown_environment"}],
			["/point", "x", {"unknown_point"}],
		] {
			verdict := testing.decision(testing.with_value(sample, row[0], row[1]))
			row[2] - _codes(verdict) == set()
			_codes(verdict) - (row[2] | {"unknown_environment"}) == set()
			every problem in verdict.problems {
				object.keys(problem) == {"code", "detail"}
				is_string(problem.detail)
			}
		}
	}
}

test_an_actor_is_minted_or_marked_as_unresolved if {
	sample := data.samples.runtime
	longest := concat("", ["a" | some _ in numbers.range(1, 64)])
	every name in ["x", longest] {
		actor := {"id": sprintf("unresolved:%s", [name]), "kind": "unresolved"}
		_problems(testing.with_value(sample, "/actor", actor)) == set()
	}
	too_long := {"id": sprintf("unresolved:%sa", [longest]), "kind": "unresolved"}
	_problems(testing.with_value(sample, "/actor", too_long)) == {"bad_actor"}
	every actor in [{"id": "person:alice"}, {"id": "service:releasebot"}, {"id": "unresolved:kubernetes", "kind": "unresolved"}] {
		_problems(testing.with_value(sample, "/actor", actor)) == set()
	}
	every actor in [
		{"id": "unresolved:kubernetes"},
		{"id": "unresolved:kubernetes", "kind": "person"},
		{"id": "unresolved:", "kind": "unresolved"},
		{"id": "unresolved:Kubernetes", "kind": "unresolved"},
		{"id": "alice", "kind": "unresolved"},
		{"id": "alice", "kind": "person"},
		{"id": null, "kind": "unresolved"},
	] {
		_problems(testing.with_value(sample, "/actor", actor)) == {"bad_actor"}
	}
}

test_without_a_question_there_is_an_error_that_explains_itself if {
	every nothing in [{}, null, true, 0, "", "x", [], [{}]] {
		verdict := testing.decision(nothing)
		verdict.outcome == "error"
		{"bad_schema", "bad_clock", "bad_actor", "bad_subject", "bad_facts", "bad_waivers", "unknown_stage"} - _codes(verdict) == set()
		[verdict.tier.value, verdict.tier.unknown] == ["critical", ["subject"]]
	}
	main.decision.outcome == "error"
	count(main.decision.problems) > 0
}

# Rego iterates over a scalar without a word, and over an object as over a list.
test_containers_of_a_wrong_type_never_allow if {
	sample := data.samples.deployment
	item := sample.facts.models[0]
	every list in ["models", "images"] {
		every value in ["x", 5, true, null, "", {}, {"a": item}, {"0": item}, [], [[]], [null], ["x"], [5], [[item]], [item, item], [{}]] {
			_refused(testing.decision(testing.with_value(sample, sprintf("/facts/%s", [list]), value)))
		}
		_refused(testing.decision(testing.without(sample, sprintf("/facts/%s", [list]))))
	}
	every facts in [[], "x", null, 5, true, {}, [sample.facts], {"facts": sample.facts}] {
		_refused(testing.decision(testing.with_value(sample, "/facts", facts)))
	}
	every group in ["workload", "deployer", "waivers"] {
		every value in ["x", 5, true, null, "", {}, [], [sample.facts[group]]] {
			_refused(testing.decision(testing.with_value(sample, sprintf("/facts/%s", [group]), value)))
		}
	}
}

# Without `unknown tier` there would be questions at whose stage no rule reads the risk.
test_an_unknown_tier_is_denied_at_every_stage if {
	every sample in _samples {
		unknown := testing.without(sample, "/facts/models/1/risk/exposure")
		tier := testing.decision(unknown).tier
		tier.value == "critical"
		tier.unknown == ["models/1: autonomy", "models/1: data_class", "models/1: exposure"]
		testing.decision(unknown).outcome == "deny"
	}
}

test_the_counts_add_up_whatever_is_wrong if {
	every sample in _samples {
		every pointer in ["/facts/models/0", "/facts/models/0/risk", "/facts/waivers", "/facts/models/0/id", "/facts/models"] {
			verdict := testing.decision(testing.without(sample, pointer))
			every code, counted in verdict.rules {
				open := count([finding | some finding in verdict.findings; finding.rule == code])
				counted.places == (counted.compliant + counted.exempt) + open
			}
			{finding.rule | some finding in verdict.findings} - object.keys(verdict.rules) == set()
		}
	}
}

test_exactly_the_selected_rules_are_judged if {
	every sample in _samples {
		selected := data.governance.index.select[sample.stage][sample.subject.kind][sample.operation].codes
		object.keys(testing.decision(sample).rules) == {code | some code in selected}
	}
}

# --- What the build generated --------------------------------------------------------------------------------------

test_there_is_an_action_for_every_tier_environment_point_and_rule if {
	actions := data.governance.index.actions
	object.keys(actions.by) == {"low", "medium", "high", "critical"}
	every environments in actions.by {
		object.keys(environments) == {environment | some environment in data.governance.index.environments}
		every points in environments {
			count(points) > 0
			every table in points {
				object.keys(actions.tables[table]) == object.keys(data.governance.index.rules)
				every action in actions.tables[table] {
					action in {"deny", "warn", "dryrun"}
				}
			}
		}
	}
}

test_every_approvable_rule_has_a_chain_of_people if {
	approvable := {code | some code, rule in data.governance.index.rules; rule.approvable == true}
	count(approvable) > 0
	every tier in ["low", "medium", "high", "critical"] {
		every environment in data.governance.index.environments {
			chains := data.governance.index.chains[tier][environment]
			object.keys(chains) == approvable
			every chain in chains {
				count(chain) > 0
				every step in chain {
					step.needs >= 1
				}
			}
		}
	}
}

test_every_rule_of_the_index_has_its_sets if {
	dispatch := data.governance.main.dispatch
	object.keys(dispatch.compliant) == object.keys(data.governance.index.rules)
	object.keys(dispatch.exempt) == object.keys(data.governance.index.rules)
}
