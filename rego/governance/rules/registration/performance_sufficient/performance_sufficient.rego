# METADATA
# title: Performance is sufficient
# description: >-
#   Every version was measured with a metric that counts, on enough samples, and is good enough for its risk tier.
#   Samples are counted by the profile of the dataset; the measurement was not made by the author alone.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 15(1) and 15(3)
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, MEASURE 2.3
# custom:
#   severity: high
#   applies_to: [{stage: registration, kind: model_version, operations: [promote]}]
#   for_each: models/*
#   item_id: [id]
#   evidence:
#     - {at: evaluation, about: item, fields: {metric: string, value: number, samples: number}, max_age: P90D}
#   approvable: false
#   waivable: {max_days: 30}
#   controls: [G-REG-05]
#   clauses: ["eu-ai-act/15.1", "eu-ai-act/15.3", "nist-ai-rmf/MEASURE2.3"]
#   message: "model {id} is not proven good enough: {evaluation.metric} {evaluation.value} on {evaluation.samples} samples"
#   remediation: "Let somebody else than the author evaluate the version on a larger dataset"
#   owner: model-risk
package governance.rules.registration.performance_sufficient

import data.governance.config
import data.governance.lib.compare

compliant contains ["models", i] if {
	some i, model in input.facts.models
	model.evaluation.metric in config.list("evaluation_metrics")
	compare.at_least(model.evaluation.value, config.threshold("evaluation_value"))
	compare.at_least(model.evaluation.samples, config.threshold("evaluation_samples"))
}
