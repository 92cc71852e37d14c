# METADATA
# title: Purpose is permitted
# description: >-
#   Every version has a declared purpose that the organisation permits. The build refuses a list that permits a
#   prohibited practice.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 5
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.9.4
# custom:
#   severity: critical
#   applies_to: [{stage: registration, kind: model_version, operations: [promote]}]
#   for_each: models/*
#   item_id: [id]
#   evidence:
#     - {at: purpose, about: item, fields: {declared: string}}
#   approvable: false
#   waivable: false
#   controls: [G-REG-09]
#   clauses: ["eu-ai-act/5.1", "iso42001/A.9.4"]
#   message: "model {id} has no purpose that is permitted: {purpose.declared}"
#   remediation: "Train for a purpose that is configured under policy.purposes"
#   owner: model-risk
package governance.rules.registration.purpose_permitted

import data.governance.config

compliant contains ["models", i] if {
	some i, model in input.facts.models
	model.purpose.declared in config.list("purposes_permitted")
}
