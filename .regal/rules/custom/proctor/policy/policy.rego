# METADATA
# description: >-
#   What our lint rules know about Proctor's rules: which files are rules, what their annotation declares, which nodes
#   of the syntax tree negate, call or refer. Not a lint rule itself.
# schemas:
#   - input: schema.regal.ast
package custom.proctor.policy

import future.keywords.not

# METADATA
# description: The package as names, without `data`.
path := [part.value | some i, part in input["package"].path; i > 0]

# METADATA
# description: True for a test's package.
is_test if endswith(path[count(path) - 1], "_test")

# METADATA
# description: True for a rule of the policy.
is_rule if {
	array.slice(path, 0, 2) == ["governance", "rules"]
	not is_test
}

# METADATA
# description: The `custom` block of the annotation of the package.
declared := block.custom if {
	some block in input["package"].annotations
	block.scope == "package"
}

# METADATA
# description: The names of the lists that a rule walks, outermost first.
levels := lists(declared.for_each)

# METADATA
# description: The list names of a scope; `datasets/*/columns/*` gives `["datasets", "columns"]`.
lists(scope) := [name | some name in split(scope, "/"); name != "*"; name != ""]

# METADATA
# description: The name that a rule of the module defines.
name(rule) := rule.head.ref[0].value

# METADATA
# description: The names of the functions of the module.
functions contains name(rule) if {
	some rule in input.rules
	rule.head.args
}

# METADATA
# description: >-
#   Every call of the module, with the operator as it is written, such as `count` or `config.list`. An operator stands
#   first in a list of terms.
calls contains {"name": concat(".", [part.value | some part in terms[0].value]), "terms": terms} if {
	some rule in input.rules
	walk(rule, [_, terms])
	is_array(terms)
	terms[0].type == "ref"
	not terms[0].value[0].value in {"input", "data"}
}

# METADATA
# description: Every expression that negates; OPA parses `not` in another way once the import is there.
negations contains node if {
	some rule in input.rules
	walk(rule, [_, node])
	node.negated == true
}

negations contains node.terms if {
	some rule in input.rules
	walk(rule, [_, node])
	node.terms.type == "not"
}

# METADATA
# description: True when the module imports the keyword `not`, with which an undefined argument is negated to true.
imports_not if {
	some entry in input.imports
	[part.value | some part in entry.path.value] == ["future", "keywords", "not"]
}

# METADATA
# description: The names that imports of `data` packages have in the module.
libraries contains object.get(entry, "alias", path_of[count(path_of) - 1]) if {
	some entry in input.imports
	path_of := [part.value | some part in entry.path.value]
	path_of[0] == "data"
}
