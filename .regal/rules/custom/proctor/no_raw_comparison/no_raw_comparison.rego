# METADATA
# description: raw comparison in a rule; across types it allows, so use lib.compare, lib.people or ==
# related_resources:
#   - description: Any object or text is larger than any number, null is smaller
#     ref: https://www.openpolicyagent.org/docs/policy-reference#comparison
# schemas:
#   - input: schema.regal.ast
package custom.regal.rules.proctor["no-raw-comparison"]

import data.regal.result

import data.custom.proctor.policy

report contains result.fail(rego.metadata.chain(), result.location(call.terms)) if {
	policy.is_rule
	some call in policy.calls
	call.name in {"lt", "lte", "gt", "gte", "neq"}
}
