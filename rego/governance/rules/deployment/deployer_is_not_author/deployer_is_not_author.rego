# METADATA
# title: Deployer is not the author
# description: >-
#   Whoever made a model version does not deploy it. The two must be provably different principals; a name that
#   nobody linked to a principal is nobody.
# related_resources:
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.3.2
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, GOVERN 2.1
# custom:
#   severity: high
#   applies_to: [{stage: deployment, kind: deployment, operations: [deploy, scale]}]
#   for_each: models/*
#   may_be_empty: true
#   item_id: [id]
#   evidence:
#     - {at: authorship, about: item, fields: {author: string}, max_age: P3650D}
#     - {of: "", at: deployer, about: actor, fields: {environments: strings}, present_only: true}
#   approvable: false
#   waivable: false
#   controls: [G-DEP-05]
#   clauses: ["iso42001/A.3.2", "nist-ai-rmf/GOVERN2.1"]
#   message: "{actor} is not proven to be somebody else than the author of model {id}, {authorship.author}"
#   remediation: "Let another person or a deployment service deploy this version"
#   owner: model-risk
package governance.rules.deployment.deployer_is_not_author

import data.governance.lib.people

compliant contains ["models", i] if {
	some i, model in input.facts.models
	people.separate(input.actor.id, model.authorship.author)
}
