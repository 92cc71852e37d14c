# METADATA
# title: Data represents the people that it is about
# description: >-
#   In data about people, the rows were counted by every attribute that the configuration protects, and the smallest
#   group has enough of them for the risk tier.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 10(3) and 10(4)
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, MEASURE 2.11
# custom:
#   severity: high
#   applies_to:
#     - {stage: data, kind: dataset, operations: [ingest]}
#     - {stage: training, kind: run, operations: [train]}
#     - {stage: registration, kind: model_version, operations: [promote]}
#   for_each: datasets/*
#   item_id: [id]
#   evidence:
#     - {at: sensitivity, about: item, fields: {personal: boolean}}
#     - {at: representation, about: item, fields: {attributes: strings, smallest: number}, max_age: P365D, unless_exempt: true}
#   approvable: false
#   waivable: {max_days: 30}
#   controls: [G-DAT-10]
#   clauses: ["eu-ai-act/10.3", "eu-ai-act/10.4", "nist-ai-rmf/MEASURE2.11"]
#   message: "dataset {id} is not proven to represent everybody: {representation.smallest} rows in the smallest group by {representation.attributes}"
#   remediation: "Count the rows by each of protected_attributes, and collect more data about the groups that are too small"
#   owner: data-governance
package governance.rules.data.representative

import data.governance.config
import data.governance.lib.compare

compliant contains ["datasets", i] if {
	some i, dataset in input.facts.datasets
	compare.all_in(config.list("protected_attributes"), dataset.representation.attributes)
	compare.at_least(dataset.representation.smallest, config.threshold("representation_rows"))
}

exempt contains ["datasets", i] if {
	some i, dataset in input.facts.datasets
	dataset.sensitivity.personal == false
}
