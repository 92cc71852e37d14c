# METADATA
# title: Purpose is one that the data is permitted for
# description: >-
#   Data about people is used only for a purpose that it was collected for, or that was found to be compatible with it:
#   the catalog lists them. Consent is a matter of its own; this holds for every lawful basis.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2016/679/oj
#     description: Regulation (EU) 2016/679 (GDPR), Art. 5(1)(b)
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 10(2)(b)
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
#     - {at: purposes, about: item, fields: {permitted: strings}, unless_exempt: true}
#     - {request: purpose, type: string}
#   approvable: false
#   waivable: false
#   controls: [G-DAT-04]
#   clauses: ["gdpr/5.1", "eu-ai-act/10.2"]
#   message: "dataset {id} is not permitted for {purpose}, but for {purposes.permitted}"
#   remediation: "Use other data, or let data protection find the purpose compatible and record it in the catalog: governance.purpose"
#   owner: data-protection
package governance.rules.data.purpose_compatible

compliant contains ["datasets", i] if {
	some i, dataset in input.facts.datasets
	input.purpose in dataset.purposes.permitted
}

exempt contains ["datasets", i] if {
	some i, dataset in input.facts.datasets
	dataset.sensitivity.personal == false
}
