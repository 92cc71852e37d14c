# METADATA
# description: "`every` is true of an empty list; use lib.compare.all_in, which is not"
# related_resources:
#   - description: Every keyword
#     ref: https://www.openpolicyagent.org/docs/policy-language#every-keyword
# schemas:
#   - input: schema.regal.ast
package custom.regal.rules.proctor["every-over-nonempty"]

import future.keywords.not

import data.regal.result

import data.custom.proctor.policy

report contains result.fail(rego.metadata.chain(), result.location(node)) if {
	array.slice(policy.path, 0, 1) == ["governance"]
	not policy.is_test
	some rule in input.rules
	walk(rule, [_, node])
	node.domain
	node.body
}
