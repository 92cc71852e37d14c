# METADATA
# description: a rule calls only count, lib and config; the type error of any other built-in would deny everybody
# related_resources:
#   - description: Errors of built-in functions
#     ref: https://www.openpolicyagent.org/docs/policy-language#errors
# schemas:
#   - input: schema.regal.ast
package custom.regal.rules.proctor["total-calls"]

import future.keywords.not

import data.regal.result

import data.custom.proctor.policy

# Operators that can't fail, and `count`, whose argument is a collection that the rule made. Comparisons and object.get
# have lint rules of their own.
_known := {
	"assign", "count", "eq", "equal", "internal.member_2", "internal.member_3",
	"gt", "gte", "lt", "lte", "neq", "object.get",
}

report contains result.fail(rego.metadata.chain(), object.union(result.location(call.terms), _why(call))) if {
	policy.is_rule
	some call in policy.calls
	not call.name in _known
	not call.terms[0].value[0].value in policy.functions
	not call.terms[0].value[0].value in policy.libraries
}

_why(call) := {"description": sprintf("%s: a rule calls only count, lib and config", [call.name])}
