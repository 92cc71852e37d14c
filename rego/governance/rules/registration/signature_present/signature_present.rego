# METADATA
# title: Signature is present
# description: >-
#   Every version says what goes in and what comes out.
# related_resources:
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.6.2.3
# custom:
#   severity: high
#   applies_to: [{stage: registration, kind: model_version, operations: [register, promote]}]
#   for_each: models/*
#   item_id: [id]
#   evidence:
#     - {at: signature, about: item, fields: {inputs: boolean, outputs: boolean}}
#   approvable: false
#   waivable: {max_days: 30}
#   controls: [G-REG-02]
#   clauses: ["iso42001/A.6.2.3"]
#   message: "model {id} has no whole signature: inputs {signature.inputs}, outputs {signature.outputs}"
#   remediation: "Log the model with an input example, or with a signature"
#   owner: model-risk
package governance.rules.registration.signature_present

compliant contains ["models", i] if {
	some i, model in input.facts.models
	model.signature.inputs == true
	model.signature.outputs == true
}
