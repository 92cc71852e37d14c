# METADATA
# description: "`with` outside a test replaces the evidence"
# related_resources:
#   - description: With keyword
#     ref: https://www.openpolicyagent.org/docs/policy-language#with-keyword
# schemas:
#   - input: schema.regal.ast
package custom.regal.rules.proctor["no-with"]

import future.keywords.not

import data.regal.result

import data.custom.proctor.policy

report contains result.fail(rego.metadata.chain(), result.location(replaced)) if {
	policy.path[0] in {"governance", "authz", "system"}
	not policy.is_test
	some rule in input.rules
	walk(rule, [_, node])
	some replaced in node["with"]
}
