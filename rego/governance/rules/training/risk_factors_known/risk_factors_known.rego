# METADATA
# title: Risk factors are known
# description: >-
#   Every factor of the risk tier of what is about to be trained is known. An unknown factor takes the worst band,
#   and nobody may train on a guess.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 9(2)
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, MAP 5.1
# custom:
#   severity: critical
#   applies_to: [{stage: training, kind: run, operations: [train]}]
#   for_each: ""
#   item_id: []
#   evidence:
#     - {at: risk, about: subject, fields: {exposure: string, autonomy: string, data_class: string}}
#   approvable: false
#   waivable: false
#   controls: [G-REG-01]
#   clauses: ["eu-ai-act/9.2", "nist-ai-rmf/MAP5.1"]
#   message: "a risk factor of {purpose} is not known: exposure {risk.exposure}, autonomy {risk.autonomy}, data class {risk.data_class}"
#   remediation: "Configure the purpose under policy.purposes, and record the class of each dataset in the catalog"
#   owner: model-risk
package governance.rules.training.risk_factors_known

import data.governance.lib.tiers

compliant contains [] if tiers.known("risk", input.facts.risk)
