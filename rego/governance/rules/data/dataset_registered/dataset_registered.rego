# METADATA
# title: Dataset is registered
# description: >-
#   Every dataset that a model is trained on is known to a catalog under the name by which it is used.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 10(2)
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.7.3
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, MAP 4.1
# custom:
#   severity: critical
#   applies_to:
#     - {stage: data, kind: dataset, operations: [ingest]}
#     - {stage: training, kind: run, operations: [train]}
#     - {stage: registration, kind: model_version, operations: [promote]}
#   for_each: datasets/*
#   item_id: [id]
#   evidence:
#     - {at: catalog, about: item, fields: {known: boolean}}
#   approvable: false
#   waivable: false
#   controls: [G-DAT-01]
#   clauses: ["eu-ai-act/10.2", "iso42001/A.7.3", "nist-ai-rmf/MAP4.1"]
#   message: "dataset {id} is not known to a catalog"
#   remediation: "Let the catalog send an event about this dataset, or name it as the catalog does"
#   owner: data-governance
package governance.rules.data.dataset_registered

compliant contains ["datasets", i] if {
	some i, dataset in input.facts.datasets
	dataset.catalog.known == true
}
