# METADATA
# title: Consent covers the purpose
# description: >-
#   Data that rests on consent is used only for a purpose that the consent covers, and only while nobody in it has
#   withdrawn. Where the catalog says that another basis holds, no consent is asked for.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2016/679/oj
#     description: Regulation (EU) 2016/679 (GDPR), Art. 7(1) and 7(3)
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
#     - {at: consent, about: item, fields: {status: string, purposes: strings, withdrawn: number}, unless_exempt: true}
#     - {request: purpose, type: string}
#   approvable: false
#   waivable: false
#   controls: [G-DAT-06]
#   clauses: ["gdpr/7.1", "gdpr/7.3"]
#   message: "dataset {id} has no consent for {purpose}: {consent.status}, for {consent.purposes}, {consent.withdrawn} withdrawn"
#   remediation: "Use a snapshot of the data without those who withdrew, or ask for consent to this purpose"
#   owner: data-protection
package governance.rules.data.consent_covers_purpose

compliant contains ["datasets", i] if {
	some i, dataset in input.facts.datasets
	dataset.consent.status == "given"
	dataset.consent.withdrawn == 0
	input.purpose in dataset.consent.purposes
}

compliant contains ["datasets", i] if {
	some i, dataset in input.facts.datasets
	dataset.consent.status == "not-required"
}

exempt contains ["datasets", i] if {
	some i, dataset in input.facts.datasets
	dataset.sensitivity.personal == false
}
