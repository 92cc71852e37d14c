# METADATA
# description: a default proves what nobody proved; a rule has none, and looks nothing up with one
# related_resources:
#   - description: Default keyword
#     ref: https://www.openpolicyagent.org/docs/policy-language#default-keyword
# schemas:
#   - input: schema.regal.ast
package custom.regal.rules.proctor["no-default"]

import data.regal.result

import data.custom.proctor.policy

report contains result.fail(rego.metadata.chain(), result.location(rule)) if {
	policy.is_rule
	some rule in input.rules
	rule["default"] == true
}

report contains result.fail(rego.metadata.chain(), result.location(call.terms)) if {
	policy.is_rule
	some call in policy.calls
	call.name == "object.get"
}

report contains result.fail(rego.metadata.chain(), result.location(node)) if {
	policy.is_rule
	some rule in input.rules
	walk(rule, [_, node])
	node["else"]
}
