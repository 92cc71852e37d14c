# METADATA
# title: Fairness is within limits
# description: >-
#   Every version was measured for how evenly it treats people, by a measure that counts, by every attribute that the
#   configuration protects, on enough people of the smallest group. The largest difference is within its risk tier.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 10(2)(f) and (g)
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, MEASURE 2.11
# custom:
#   severity: high
#   applies_to: [{stage: registration, kind: model_version, operations: [promote]}]
#   for_each: models/*
#   item_id: [id]
#   evidence:
#     - {at: fairness, about: item, fields: {metric: string, gap: number, groups: strings, samples: number}, max_age: P180D}
#   approvable: false
#   waivable: {max_days: 30}
#   controls: [G-REG-06]
#   clauses: ["eu-ai-act/10.2", "nist-ai-rmf/MEASURE2.11"]
#   message: "model {id} is not proven fair enough: {fairness.metric} {fairness.gap} between groups by {fairness.groups}, {fairness.samples} samples in the smallest"
#   remediation: "Measure the version on enough people of every group, and mitigate the difference if there is one"
#   owner: model-risk
package governance.rules.registration.fairness_within_limits

import data.governance.config
import data.governance.lib.compare

compliant contains ["models", i] if {
	some i, model in input.facts.models
	model.fairness.metric in config.list("fairness_metrics")
	compare.all_in(config.list("protected_attributes"), model.fairness.groups)
	compare.at_most(model.fairness.gap, config.threshold("fairness_gap"))
	compare.at_least(model.fairness.samples, config.threshold("fairness_samples"))
}
