# METADATA
# title: Recipe is complete
# description: >-
#   Somebody else could make the version again: a recipe is kept that states all its parts, and everything that it
#   names can still be fetched as it was then. That the plan was fit for it is `training.recipe_recorded`. The control
#   G-TRN-08 is our own.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Annex IV(2)
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.6.2.3
# custom:
#   severity: high
#   applies_to: [{stage: registration, kind: model_version, operations: [promote]}]
#   for_each: models/*
#   item_id: [id]
#   evidence:
#     - {at: recipe, about: item, fields: {parts: strings, lost: strings}, max_age: P180D}
#     - {at: recipe, about: item, fields: {digest: string}, max_age: P180D, present_only: true}
#   approvable: false
#   waivable: {max_days: 30}
#   controls: [G-TRN-08]
#   clauses: ["eu-ai-act/annex-iv.2", "iso42001/A.6.2.3", "sr-26-2/development"]
#   message: "model {id} could not be made again; its recipe states: {recipe.parts}; nobody can fetch any more: {recipe.lost}"
#   remediation: "Keep commit, environment, dataset versions, seed and parameters of the run, and what they name, for as long as the version"
#   owner: model-risk
package governance.rules.registration.recipe_complete

import data.governance.config
import data.governance.lib.compare

compliant contains ["models", i] if {
	some i, model in input.facts.models
	compare.all_in(config.list("recipe_parts"), model.recipe.parts)
	compare.none(model.recipe.lost)
}
