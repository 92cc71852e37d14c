# METADATA
# title: Owner is active
# description: >-
#   A person answers for every model, and is still there: a principal of Proctor's own that is active, looked up within
#   a day. The control G-REG-14 is our own.
# related_resources:
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.3.2
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, GOVERN 2.1
# custom:
#   severity: high
#   applies_to: [{stage: registration, kind: model_version, operations: [promote]}]
#   for_each: models/*
#   item_id: [id]
#   evidence:
#     - {at: ownership, about: item, fields: {owner: string, active: boolean}, max_age: P1D}
#   approvable: false
#   waivable: {max_days: 30}
#   controls: [G-REG-14]
#   clauses: ["iso42001/A.3.2", "nist-ai-rmf/GOVERN2.1", "sr-26-2/governance"]
#   message: "nobody is proven to answer for model {id}: owner {ownership.owner}, active {ownership.active}"
#   remediation: "Name a person who is there as the model's owner"
#   owner: model-risk
package governance.rules.registration.owner_active

import data.governance.lib.people

compliant contains ["models", i] if {
	some i, model in input.facts.models
	people.person(model.ownership.owner)
	model.ownership.active == true
}
