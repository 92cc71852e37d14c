# METADATA
# title: Stamp is valid
# description: >-
#   For every model there is a signed statement that exactly this digest was allowed in this environment. Its signature
#   was checked, it has not expired, and the policy revision under which it was made still counts.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 17(1)(d)
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.6.2.5
# custom:
#   severity: high
#   applies_to:
#     - {stage: deployment, kind: deployment, operations: [deploy, scale]}
#     - {stage: runtime, kind: deployment, operations: [run]}
#   for_each: models/*
#   may_be_empty: true
#   item_id: [id]
#   evidence:
#     - {at: stamp, about: item, fields: {valid: boolean, current: boolean, environment: string, outcome: string, expires: timestamp}, max_age: P1D, min_tier: verified}
#     - {request: environment, type: string}
#   approvable: false
#   waivable: {max_days: 14}
#   controls: [G-DEP-02]
#   clauses: ["eu-ai-act/17.1", "iso42001/A.6.2.5"]
#   message: "no stamp of model {id} holds in {environment}: {stamp.outcome} for {stamp.environment} until {stamp.expires}, valid {stamp.valid}, policy current {stamp.current}"
#   remediation: "Have the version judged again under the current policy for this environment, and deploy with the stamp that is made then"
#   owner: model-risk
package governance.rules.deployment.stamp_valid

import data.governance.lib.time as clock

compliant contains ["models", i] if {
	some i, model in input.facts.models
	model.stamp.valid == true
	model.stamp.current == true
	model.stamp.outcome == "allow"
	model.stamp.environment == input.environment
	clock.ahead(model.stamp.expires)
}
