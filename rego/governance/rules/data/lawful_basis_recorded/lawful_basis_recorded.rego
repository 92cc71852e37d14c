# METADATA
# title: Lawful basis is recorded
# description: >-
#   Data about people is used only where the catalog records the lawful basis of its processing.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2016/679/oj
#     description: Regulation (EU) 2016/679 (GDPR), Art. 6(1)
# custom:
#   severity: critical
#   applies_to:
#     - {stage: data, kind: dataset, operations: [ingest]}
#     - {stage: training, kind: run, operations: [train]}
#     - {stage: registration, kind: model_version, operations: [promote]}
#   for_each: datasets/*
#   item_id: [id]
#   evidence:
#     - {at: sensitivity, about: item, fields: {personal: boolean}}
#     - {at: legal, about: item, fields: {basis: string}, unless_exempt: true}
#   approvable: false
#   waivable: false
#   controls: [G-DAT-05]
#   clauses: ["gdpr/6.1"]
#   message: "dataset {id} is about people and has no lawful basis that is known: {legal.basis}"
#   remediation: "Record the lawful basis in the catalog: governance.lawful_basis"
#   owner: data-protection
package governance.rules.data.lawful_basis_recorded

import data.governance.config

compliant contains ["datasets", i] if {
	some i, dataset in input.facts.datasets
	dataset.legal.basis in config.list("lawful_bases")
}

exempt contains ["datasets", i] if {
	some i, dataset in input.facts.datasets
	dataset.sensitivity.personal == false
}
