# METADATA
# title: Retention limit has not passed
# description: >-
#   Data about people says until when it may be kept, and is not taken in or trained on any more from then on. A model
#   that was trained in time may still be promoted after its data was deleted.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2016/679/oj
#     description: Regulation (EU) 2016/679 (GDPR), Art. 5(1)(e)
# custom:
#   severity: high
#   applies_to:
#     - {stage: data, kind: dataset, operations: [ingest]}
#     - {stage: training, kind: run, operations: [train]}
#   for_each: datasets/*
#   item_id: [id]
#   evidence:
#     - {at: sensitivity, about: item, fields: {personal: boolean}}
#     - {at: retention, about: item, fields: {until: timestamp}, unless_exempt: true}
#   approvable: false
#   waivable: false
#   controls: [G-DAT-11]
#   clauses: ["gdpr/5.1"]
#   message: "dataset {id} could be kept until {retention.until} only"
#   remediation: "Delete what may not be kept any more; the limit is recorded in the catalog: governance.retention_until"
#   owner: data-protection
package governance.rules.data.retention_current

import data.governance.lib.time as clock

compliant contains ["datasets", i] if {
	some i, dataset in input.facts.datasets
	clock.ahead(dataset.retention.until)
}

exempt contains ["datasets", i] if {
	some i, dataset in input.facts.datasets
	dataset.sensitivity.personal == false
}
