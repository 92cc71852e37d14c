# METADATA
# title: Footprint is recorded
# description: >-
#   The energy and compute that went into a version are known, measured or estimated. It is asked at promotion, when
#   they have been spent; in low tiers it warns.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Annex IV(2)(c)
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, MEASURE 2.12
# custom:
#   severity: medium
#   applies_to: [{stage: registration, kind: model_version, operations: [promote]}]
#   for_each: models/*
#   item_id: [id]
#   evidence:
#     - {at: footprint, about: item, fields: {method: string, energy: number, compute: number}}
#   approvable: false
#   waivable: {max_days: 90}
#   controls: [G-TRN-06]
#   clauses: ["nist-ai-rmf/MEASURE2.12", "eu-ai-act/annex-iv.2"]
#   message: "what model {id} cost to train is not known: {footprint.energy} kWh, {footprint.compute} hours, {footprint.method}"
#   remediation: "Record energy and hours of the accelerators during training, or estimate them from power and duration"
#   owner: model-risk
package governance.rules.training.footprint_recorded

import data.governance.config
import data.governance.lib.compare

compliant contains ["models", i] if {
	some i, model in input.facts.models
	model.footprint.method in config.list("footprint_methods")
	compare.at_least(model.footprint.energy, 0)
	compare.at_least(model.footprint.compute, 0)
}
