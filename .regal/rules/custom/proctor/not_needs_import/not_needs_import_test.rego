package custom.regal.rules.proctor["not-needs-import_test"]

import data.custom.proctor.sources
import data.custom.regal.rules.proctor["not-needs-import"] as rule

_negation := `
compliant contains ["models", i] if {
	some i, model in input.facts.models
	not model.registration.registered == false
}
`

test_fail_negation_without_import if {
	found := rule.report with input as sources.rule(_negation)
	found == {{
		"category": "proctor",
		"description": "negates without `import future.keywords.not`",
		"level": "error",
		"location": {
			"col": 2,
			"end": {"col": 44, "row": 14},
			"file": "example.rego",
			"row": 14,
			"text": "\tnot model.registration.registered == false",
		},
		"related_resources": [{
			"description": "An undefined argument makes a negation without the import silent, and silence proves nothing wrong",
			"ref": "https://www.openpolicyagent.org/docs/policy-language#negation",
		}],
		"title": "not-needs-import",
	}}
}

test_fail_negation_in_comprehension_and_library if {
	text := "names := {n | some n in input.l; not startswith(n, \"a\")}"
	found := rule.report with input as sources.module("governance.lib.names", text)
	count(found) == 1
}

test_success_with_import if {
	found := rule.report with input as sources.rule(concat("\n", ["import future.keywords.not", _negation]))
	found == set()
}

test_success_in_a_test if {
	found := rule.report with input as sources.module("governance.lib.names_test", "test_x if not data.x")
	found == set()
}

test_success_right_rule if {
	found := rule.report with input as sources.right
	found == set()
}
