# METADATA
# title: Validator is independent
# description: >-
#   Every version was validated by a person who did not make it, not too long ago.
# related_resources:
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, MEASURE 1.3
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.6.2.4
# custom:
#   severity: high
#   applies_to: [{stage: registration, kind: model_version, operations: [promote]}]
#   for_each: models/*
#   item_id: [id]
#   evidence:
#     - {at: validation, about: item, fields: {validator: string}, max_age: P180D}
#     - {at: authorship, about: item, fields: {author: string}, max_age: P3650D}
#   approvable: false
#   waivable: false
#   controls: [G-REG-10]
#   clauses: ["nist-ai-rmf/MEASURE1.3", "iso42001/A.6.2.4"]
#   message: "model {id} was validated by {validation.validator}, who is not proven to be somebody else than the author {authorship.author}"
#   remediation: "Let another person validate the version"
#   owner: model-risk
package governance.rules.registration.validator_independent

import data.governance.lib.people

compliant contains ["models", i] if {
	some i, model in input.facts.models
	people.distinct(model.validation.validator, model.authorship.author)
}
