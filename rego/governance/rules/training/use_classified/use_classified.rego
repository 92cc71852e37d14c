# METADATA
# title: Use of what is trained is classified
# description: >-
#   The class of the purpose and the most vulnerable group of people that the output will concern are known before
#   anything is trained. Both are factors of the risk tier.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 6(2) and 9(2)
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, MAP 1.1
# custom:
#   severity: high
#   applies_to:
#     - {stage: training, kind: run, operations: [train]}
#   for_each: ""
#   item_id: []
#   evidence:
#     - {at: use, about: subject, fields: {purpose_class: string, affected_groups: string}}
#   approvable: false
#   waivable: false
#   controls: [G-REG-01]
#   clauses: ["eu-ai-act/6.2", "eu-ai-act/9.2", "nist-ai-rmf/MAP1.1"]
#   message: "the use of what is trained is not classified: purpose class {use.purpose_class}, affected groups {use.affected_groups}"
#   remediation: "Classify the purpose, and name the most vulnerable group that the output will concern"
#   owner: model-risk
package governance.rules.training.use_classified

import data.governance.lib.tiers

compliant contains [] if tiers.known("use", input.facts.use)
