# METADATA
# title: Change is within the envelope
# description: >-
#   What a deployment changes was compared with what was last assessed, and is of a class that the assessment foresaw.
#   A substantial modification goes ahead only after it was assessed again.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 3(23), 25(1)(b) and 43(4)
# custom:
#   severity: high
#   applies_to: [{stage: deployment, kind: deployment, operations: [deploy]}]
#   for_each: ""
#   item_id: []
#   evidence:
#     - {at: change, about: subject, fields: {kind: string, against: string, reassessed: boolean}, max_age: P7D}
#   approvable: false
#   waivable: {max_days: 14}
#   controls: [G-DEP-04]
#   clauses: ["eu-ai-act/25.1", "eu-ai-act/43.4"]
#   message: "the change is beyond what was assessed: {change.kind}, compared with {change.against}, assessed again {change.reassessed}"
#   remediation: "Have the change assessed again, or deploy what stays within the envelope of the last assessment"
#   owner: model-risk
package governance.rules.deployment.change_within_envelope

import data.governance.config

compliant contains [] if {
	input.facts.change.against == "assessed"
	input.facts.change.kind in config.list("changes_foreseen")
}

compliant contains [] if {
	input.facts.change.against == "assessed"
	input.facts.change.kind in config.list("changes_reassessed")
	input.facts.change.reassessed == true
}
