# METADATA
# title: Dataset has an active owner
# description: >-
#   Every dataset has an owner who is an active principal and can be asked about it.
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
#     - {at: ownership, about: item, fields: {active_owners: strings}}
#   approvable: false
#   waivable: false
#   controls: [G-DAT-01]
#   clauses: ["eu-ai-act/10.2", "iso42001/A.7.3", "nist-ai-rmf/MAP4.1"]
#   message: "dataset {id} has no active owner; the catalog names: {ownership.owners}"
#   remediation: "Name an owner in the catalog, and link that name with 'proctor principal link ID catalog NAME'"
#   owner: data-governance
package governance.rules.data.dataset_owned

import data.governance.lib.people

compliant contains ["datasets", i] if {
	some i, dataset in input.facts.datasets
	some owner in dataset.ownership.active_owners
	people.principal(owner)
}
