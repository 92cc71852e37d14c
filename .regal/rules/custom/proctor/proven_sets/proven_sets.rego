# METADATA
# description: a rule defines the sets `compliant` and `exempt`, and otherwise names that start with `_`
# related_resources:
#   - description: Generating sets
#     ref: https://www.openpolicyagent.org/docs/policy-language#generating-sets
# schemas:
#   - input: schema.regal.ast
package custom.regal.rules.proctor["proven-sets"]

import future.keywords.not

import data.regal.result

import data.custom.proctor.policy

report contains result.fail(rego.metadata.chain(), result.location(rule.head)) if {
	policy.is_rule
	some rule in input.rules
	not _set(rule)
	not startswith(policy.name(rule), "_")
}

report contains result.fail(rego.metadata.chain(), result.location(input["package"])) if {
	policy.is_rule
	not "compliant" in {policy.name(rule) | some rule in input.rules}
}

_set(rule) if {
	policy.name(rule) in {"compliant", "exempt"}
	count(rule.head.ref) == 1
	rule.head.key
	not rule.head.args
}
