# METADATA
# title: Use is classified
# description: >-
#   The class of the purpose and the most vulnerable group of people that the output concerns are known for every
#   model. Both are factors of the risk tier, and nobody may promote or deploy on a guess.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 6(2) and 9(2)
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, MAP 1.1
# custom:
#   severity: high
#   applies_to:
#     - {stage: registration, kind: model_version, operations: [promote]}
#     - {stage: deployment, kind: deployment, operations: [deploy, scale]}
#     - {stage: runtime, kind: deployment, operations: [run]}
#   for_each: models/*
#   may_be_empty: true
#   item_id: [id]
#   evidence:
#     - {at: use, about: item, fields: {purpose_class: string, affected_groups: string}, max_age: P365D}
#   approvable: false
#   waivable: false
#   controls: [G-REG-01]
#   clauses: ["eu-ai-act/6.2", "eu-ai-act/9.2", "nist-ai-rmf/MAP1.1"]
#   message: "the use of model {id} is not classified: purpose class {use.purpose_class}, affected groups {use.affected_groups}"
#   remediation: "Classify what the model is used for, and name the most vulnerable group that its output concerns"
#   owner: model-risk
package governance.rules.registration.use_classified

import data.governance.lib.tiers

compliant contains ["models", i] if {
	some i, model in input.facts.models
	tiers.known("use", model.use)
}
