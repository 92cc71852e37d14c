# METADATA
# description: config.list and config.threshold take a literal name, so that the build can check it
# related_resources:
#   - description: Function calls
#     ref: https://www.openpolicyagent.org/docs/policy-language#functions
# schemas:
#   - input: schema.regal.ast
package custom.regal.rules.proctor["literal-names"]

import data.regal.result

import data.custom.proctor.policy

report contains result.fail(rego.metadata.chain(), result.location(call.terms)) if {
	policy.is_rule
	some call in policy.calls
	call.name in {"config.list", "config.threshold"}
	call.terms[1].type != "string"
}
