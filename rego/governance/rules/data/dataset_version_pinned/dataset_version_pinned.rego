# METADATA
# title: Dataset version is pinned
# description: >-
#   Every dataset is named with a version whose content cannot change: a snapshot, a table version or a digest.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 10(2)
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.7.5
# custom:
#   severity: high
#   applies_to:
#     - {stage: data, kind: dataset, operations: [ingest]}
#     - {stage: training, kind: run, operations: [train]}
#     - {stage: registration, kind: model_version, operations: [promote]}
#   for_each: datasets/*
#   item_id: [id]
#   evidence:
#     - {at: reference, about: item, fields: {pinned: boolean}, min_tier: declared}
#   approvable: false
#   waivable: {max_days: 30}
#   controls: [G-DAT-02]
#   clauses: ["eu-ai-act/10.2", "iso42001/A.7.5"]
#   message: "dataset {id} is named without a version that stays as it is"
#   remediation: "Name a snapshot, a table version or a digest of the data"
#   owner: data-governance
package governance.rules.data.dataset_version_pinned

compliant contains ["datasets", i] if {
	some i, dataset in input.facts.datasets
	dataset.reference.pinned == true
}
