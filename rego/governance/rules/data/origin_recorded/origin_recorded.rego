# METADATA
# title: Origin of the data is recorded
# description: >-
#   Every dataset says where it comes from, and by which method it was collected. What nobody can tell the origin of
#   can neither be judged for bias nor taken back when its source turns out to be wrong.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 10(2)(b) and Annex IV(2)(d)
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.7.5
# custom:
#   severity: medium
#   applies_to:
#     - {stage: data, kind: dataset, operations: [ingest]}
#     - {stage: training, kind: run, operations: [train]}
#     - {stage: registration, kind: model_version, operations: [promote]}
#   for_each: datasets/*
#   item_id: [id]
#   evidence:
#     - {at: origin, about: item, fields: {collection: string}}
#     - {at: origin, about: item, fields: {source: string}, present_only: true}
#   approvable: false
#   waivable: {max_days: 90}
#   controls: [G-DAT-03]
#   clauses: ["eu-ai-act/10.2", "eu-ai-act/annex-iv.2", "iso42001/A.7.5"]
#   message: "dataset {id} has no recorded way of collection: {origin.collection}, from {origin.source}"
#   remediation: "Record where the data comes from, and a way of collecting it that is in collection_methods"
#   owner: data-governance
package governance.rules.data.origin_recorded

import data.governance.config

compliant contains ["datasets", i] if {
	some i, dataset in input.facts.datasets
	dataset.origin.collection in config.list("collection_methods")
}
