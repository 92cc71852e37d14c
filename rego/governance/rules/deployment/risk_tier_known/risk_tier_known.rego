# METADATA
# title: Risk tier is known
# description: >-
#   Every factor of the risk tier is known for every model. An unknown factor takes the worst band, and nobody may
#   deploy on a guess.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 9(2)
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, MAP 5.1
# custom:
#   severity: critical
#   applies_to:
#     - {stage: deployment, kind: deployment, operations: [deploy, scale]}
#     - {stage: registration, kind: model_version, operations: [promote]}
#     - {stage: runtime, kind: deployment, operations: [run]}
#   for_each: models/*
#   may_be_empty: true
#   item_id: [id]
#   evidence:
#     - {at: risk, about: item, fields: {exposure: string, autonomy: string, data_class: string}, max_age: P365D}
#   approvable: false
#   waivable: false
#   controls: [G-REG-01]
#   clauses: ["eu-ai-act/9.2", "nist-ai-rmf/MAP5.1"]
#   message: "a risk factor of model {id} is not known: exposure {risk.exposure}, autonomy {risk.autonomy}, data class {risk.data_class}"
#   remediation: "Register the model version with its exposure, autonomy and data class"
#   owner: model-risk
package governance.rules.deployment.risk_tier_known

import data.governance.lib.tiers

compliant contains ["models", i] if {
	some i, model in input.facts.models
	tiers.known("risk", model.risk)
}
