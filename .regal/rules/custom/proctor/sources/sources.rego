# METADATA
# description: Sources of rules for the tests of our lint rules. Not a lint rule itself.
package custom.proctor.sources

_annotation := `# METADATA
# title: Example
# custom:
#   for_each: models/*
#   item_id: [id]
#   evidence:
#     - {at: registration, about: item, fields: {registered: boolean, matches: number}}
#     - {of: "", at: workload, about: subject, fields: {names: strings}}
#     - {request: purpose, type: string}`

# METADATA
# description: The syntax tree of a rule on models with this text below its package.
rule(text) := module("governance.rules.deployment.example", text)

# METADATA
# description: The syntax tree of a rule on the whole request with this text below its package.
whole(text) := _parsed(replace(_annotation, "models/*", `""`), "governance.rules.deployment.example", text)

# METADATA
# description: The syntax tree of a module of that package with this text below it.
module(package_name, text) := _parsed(_annotation, package_name, text)

_parsed(annotation, package_name, text) := regal.parse_module(
	"example.rego",
	concat("\n", [annotation, sprintf("package %s", [package_name]), text]),
)

# METADATA
# description: A right rule, which every lint rule lets through.
right := rule(`
import future.keywords.not

import data.governance.config
import data.governance.lib.compare

_models := input.facts.models

compliant contains ["models", i] if {
	some i, model in _models
	model.registration.registered == true
	_once(model.registration)
	input.purpose in config.list("purposes")
	compare.all_in(input.facts.workload.names, config.list("names"))
}

exempt contains ["models", i] if {
	some i, model in input.facts.models
	not model.registration.registered == true
	input.environment == "dev"
	count({n | some n in input.facts.workload.names; n == "x"}) == 1
}

_once(registration) if registration.matches == 1
`)
