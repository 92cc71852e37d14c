# METADATA
# title: Version is not worse than the incumbent
# description: >-
#   Every version was compared, on the same data, with the version whose place it takes, and even at the lower end of
#   the difference's confidence interval it is not worse than its risk tier allows. Where nothing held the place before,
#   it was compared with a baseline.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 9(8) and 15(1)
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, MEASURE 2.3
# custom:
#   severity: high
#   applies_to: [{stage: registration, kind: model_version, operations: [promote]}]
#   for_each: models/*
#   item_id: [id]
#   evidence:
#     - at: comparison
#       about: item
#       fields: {incumbents: strings, against: strings, metric: string, difference: number, samples: number}
#       max_age: P30D
#   approvable: false
#   waivable: {max_days: 30}
#   controls: [G-REG-05]
#   clauses: ["eu-ai-act/9.8", "eu-ai-act/15.1", "nist-ai-rmf/MEASURE2.3"]
#   message: "model {id} may be worse than {comparison.incumbents}: {comparison.metric} {comparison.difference} against {comparison.against} on {comparison.samples} samples"
#   remediation: "Measure the version and the one whose place it takes on the same, larger dataset, or improve it"
#   owner: model-risk
package governance.rules.registration.not_worse_than_incumbent

import data.governance.config
import data.governance.lib.compare

compliant contains ["models", i] if {
	some i, model in input.facts.models
	compare.all_in(model.comparison.incumbents, model.comparison.against)
	_good_enough(model.comparison)
}

compliant contains ["models", i] if {
	some i, model in input.facts.models
	compare.none(model.comparison.incumbents)
	compare.all_in(model.comparison.against, config.list("comparison_baselines"))
	_good_enough(model.comparison)
}

_good_enough(comparison) if {
	comparison.metric in config.list("evaluation_metrics")
	compare.at_least(comparison.difference, config.threshold("comparison_difference"))
	compare.at_least(comparison.samples, config.threshold("comparison_samples"))
}
