# METADATA
# title: Run computes where the data may be processed
# description: >-
#   Data about people leaves no country in which it may be processed: the run computes nowhere else, on none of its
#   machines.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2016/679/oj
#     description: Regulation (EU) 2016/679 (GDPR), Art. 44
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.4.5
# custom:
#   severity: critical
#   applies_to:
#     - {stage: training, kind: run, operations: [train]}
#   for_each: datasets/*
#   item_id: [id]
#   evidence:
#     - {at: sensitivity, about: item, fields: {personal: boolean}}
#     - {at: residency, about: item, fields: {regions: strings}, unless_exempt: true}
#     - {at: compute, of: "", about: subject, fields: {regions: strings}, unless_exempt: true}
#   approvable: false
#   waivable: false
#   controls: [G-DAT-12]
#   clauses: ["gdpr/44", "iso42001/A.4.5"]
#   message: "dataset {id} may be processed in {residency.regions}, and the run computes elsewhere"
#   remediation: "Let the run compute in a region where all of its data may be processed"
#   owner: data-protection
package governance.rules.data.residency_permitted

import data.governance.lib.compare

compliant contains ["datasets", i] if {
	some i, dataset in input.facts.datasets
	compare.all_in(input.facts.compute.regions, dataset.residency.regions)
}

exempt contains ["datasets", i] if {
	some i, dataset in input.facts.datasets
	dataset.sensitivity.personal == false
}
