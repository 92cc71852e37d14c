# METADATA
# title: Trainer is authorised
# description: >-
#   Whoever trains may use data of this class, and for this purpose.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2016/679/oj
#     description: Regulation (EU) 2016/679 (GDPR), Art. 32
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.4.3
# custom:
#   severity: critical
#   applies_to: [{stage: training, kind: run, operations: [train]}]
#   for_each: ""
#   item_id: []
#   evidence:
#     - {at: trainer, about: actor, fields: {purposes: strings, data_classes: strings}}
#     - {at: data_use, about: subject, fields: {data_class: string}}
#     - {request: purpose, type: string}
#   approvable: false
#   waivable: false
#   controls: [G-TRN-07]
#   clauses: ["gdpr/32.1", "iso42001/A.4.3"]
#   message: "{actor} may not use {data_use.data_class} data for {purpose}; permitted: {trainer.data_classes} for {trainer.purposes}"
#   remediation: "Let an admin grant the purpose and the class of data: 'proctor principal grant'"
#   owner: data-protection
package governance.rules.training.trainer_authorised

compliant contains [] if {
	input.purpose in input.facts.trainer.purposes
	input.facts.data_use.data_class in input.facts.trainer.data_classes
}
