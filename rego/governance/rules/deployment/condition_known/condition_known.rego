# METADATA
# title: Condition is known
# description: >-
#   What monitors found and what is open against it is known for every model, no older than a week. Both are factors
#   of the risk tier: a model that drifts, or with a critical finding open, is judged more strictly.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 9(2) and 72(2)
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, MEASURE 2.4
# custom:
#   severity: high
#   applies_to:
#     - {stage: deployment, kind: deployment, operations: [deploy, scale]}
#     - {stage: runtime, kind: deployment, operations: [run]}
#   for_each: models/*
#   may_be_empty: true
#   item_id: [id]
#   evidence:
#     - {at: condition, about: item, fields: {drift: string, open_findings: string}, max_age: P7D}
#   approvable: false
#   waivable: false
#   controls: [G-REG-01]
#   clauses: ["eu-ai-act/9.2", "eu-ai-act/72.2", "nist-ai-rmf/MEASURE2.4"]
#   message: "the condition of model {id} is not known: drift {condition.drift}, open findings {condition.open_findings}"
#   remediation: "Let the monitors report on the model, or say that it does not run yet"
#   owner: model-risk
package governance.rules.deployment.condition_known

import data.governance.lib.tiers

compliant contains ["models", i] if {
	some i, model in input.facts.models
	tiers.known("condition", model.condition)
}
