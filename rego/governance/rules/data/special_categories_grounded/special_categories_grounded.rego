# METADATA
# title: Special categories have a ground and safeguards
# description: >-
#   Data that reveals health, beliefs, origin and the like is used only on one of the grounds of GDPR Art. 9(2), and
#   only where all conditions are met that the AI Act sets to its use for finding and correcting bias.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2016/679/oj
#     description: Regulation (EU) 2016/679 (GDPR), Art. 9(2)
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 10(5)
# custom:
#   severity: critical
#   applies_to:
#     - {stage: data, kind: dataset, operations: [ingest]}
#     - {stage: training, kind: run, operations: [train]}
#     - {stage: registration, kind: model_version, operations: [promote]}
#   for_each: datasets/*
#   item_id: [id]
#   evidence:
#     - {at: sensitivity, about: item, fields: {special: boolean}}
#     - {at: special_categories, about: item, fields: {ground: string, conditions: strings}, unless_exempt: true}
#   approvable: false
#   waivable: false
#   controls: [G-DAT-07]
#   clauses: ["gdpr/9.2", "eu-ai-act/10.5"]
#   message: "dataset {id} holds special categories without a ground or the conditions: {special_categories.ground}, {special_categories.conditions}"
#   remediation: "Use data without special categories, or record the ground (special_grounds) and meet every one of special_conditions"
#   owner: data-protection
package governance.rules.data.special_categories_grounded

import data.governance.config
import data.governance.lib.compare

compliant contains ["datasets", i] if {
	some i, dataset in input.facts.datasets
	dataset.special_categories.ground in config.list("special_grounds")
	compare.all_in(config.list("special_conditions"), dataset.special_categories.conditions)
}

exempt contains ["datasets", i] if {
	some i, dataset in input.facts.datasets
	dataset.sensitivity.special == false
}
