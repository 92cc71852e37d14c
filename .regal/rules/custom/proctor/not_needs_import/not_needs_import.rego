# METADATA
# description: negates without `import future.keywords.not`
# related_resources:
#   - description: An undefined argument makes a negation without the import silent, and silence proves nothing wrong
#     ref: https://www.openpolicyagent.org/docs/policy-language#negation
# schemas:
#   - input: schema.regal.ast
package custom.regal.rules.proctor["not-needs-import"]

import future.keywords.not

import data.regal.result

import data.custom.proctor.policy

report contains result.fail(rego.metadata.chain(), result.location(node)) if {
	# In a test it is the other way round: there, silence fails the test.
	not policy.is_test
	not policy.imports_not
	some node in policy.negations
}
