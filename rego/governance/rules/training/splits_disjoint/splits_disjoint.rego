# METADATA
# title: Splits are disjoint
# description: >-
#   What a version is tested and validated on is not what it was trained on: the splits were compared row by row, and
#   no more rows occur in two of them than its risk tier tolerates. It is asked at promotion, where the splits exist.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 10(3) and 15(1)
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, MEASURE 2.1
# custom:
#   severity: high
#   applies_to: [{stage: registration, kind: model_version, operations: [promote]}]
#   for_each: models/*
#   item_id: [id]
#   evidence:
#     - {at: splits, about: item, fields: {names: strings, overlap: number}}
#   approvable: false
#   waivable: {max_days: 30}
#   controls: [G-TRN-04]
#   clauses: ["eu-ai-act/10.3", "eu-ai-act/15.1", "nist-ai-rmf/MEASURE2.1"]
#   message: "the splits of model {id} are not proven disjoint: compared {splits.names}, share of rows in two of them {splits.overlap}"
#   remediation: "Split by row, or by person where one has several rows, remove duplicates, and train and evaluate again"
#   owner: model-risk
package governance.rules.training.splits_disjoint

import data.governance.config
import data.governance.lib.compare

compliant contains ["models", i] if {
	some i, model in input.facts.models
	compare.all_in(config.list("splits_compared"), model.splits.names)
	compare.at_least(model.splits.overlap, 0)
	compare.at_most(model.splits.overlap, config.threshold("splits_overlap"))
}
