package custom.regal.rules.proctor["undeclared-read_test"]

import data.custom.proctor.sources
import data.custom.regal.rules.proctor["undeclared-read"] as rule

_said(text) := {violation.description | some violation in found} if {
	found := rule.report with input as sources.rule(text)
}

_only(path) := {sprintf("reads input.%s, which its evidence does not declare", [path])}

_on_models(expression) := _said(sprintf(
	`
compliant contains ["models", i] if {
	some i, model in input.facts.models
	%s
}
`,
	[expression],
))

test_fail_field if _on_models("model.registration.by == \"x\"") == _only("facts.models.*.registration.by")

test_fail_group if _on_models("model.allowance.ok == true") == _only("facts.models.*.allowance.ok")

test_fail_misspelt_list if {
	text := "compliant contains [\"models\", i] if { some i, m in input.facts.model; m.registration.matches == 1 }"
	_said(text) == _only("facts.model")
}

test_fail_evidence_itself if {
	_on_models("model.registration.evidence.tier == \"verified\"") == _only("facts.models.*.registration.evidence.tier")
}

test_fail_request if {
	_on_models("input.waivers == []") == _only("waivers")
	_on_models("input.actor.groups == []") == _only("actor.groups")
	_on_models("input.context.now == \"x\"") == _only("context.now")
}

test_fail_through_a_name if {
	_on_models("registration := model.registration\n\tregistration.by == \"x\"") == _only("facts.models.*.registration.by")
}

test_fail_through_a_rule if {
	text := "_models := input.facts.models\n_by contains model.registration.by if some model in _models"
	_said(text) == _only("facts.models.*.registration.by")
}

test_fail_through_functions if {
	text := `
compliant contains ["models", i] if {
	some i, model in input.facts.models
	_right(model)
}

_right(model) if _by(model.registration)

_by(registration) if registration.by == "x"
`
	_said(text) == _only("facts.models.*.registration.by")
}

test_fail_by_index if {
	_on_models("input.facts.models[i].registration.by == \"x\"") == _only("facts.models.*.registration.by")
}

test_success_declared if {
	_on_models("model.registration.matches == 1") == set()
	_on_models("input.purpose == \"x\"") == set()
	_on_models("\"x\" in input.facts.workload.names") == set()
	_on_models("input.actor.id == \"person:alice\"") == set()
	_on_models("count(input.facts.models) == 1") == set()
}

test_success_outside_rules if {
	text := "right if input.facts.models[_].x"
	found := rule.report with input as sources.module("governance.lib.names", text)
	found == set()
}

test_success_right_rule if {
	found := rule.report with input as sources.right
	found == set()
}
