# METADATA
# title: Model is registered
# description: >-
#   Every URI through which a deployment gets a model resolves to exactly one registered model version.
# related_resources:
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.6.2.5
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, GOVERN 1.6
# custom:
#   severity: critical
#   applies_to: [{stage: deployment, kind: deployment, operations: [deploy, scale]}]
#   for_each: models/*
#   may_be_empty: true
#   item_id: [id]
#   evidence:
#     - {at: registration, about: item, fields: {registered: boolean, matches: number}, max_age: P3650D}
#   approvable: false
#   waivable: false
#   controls: [G-DEP-01]
#   clauses: ["iso42001/A.6.2.5", "owasp-ml/ML06"]
#   message: "model {id} is not one registered version: {registration.matches} versions match"
#   remediation: "Register it with 'proctor model register NAME VERSION --uri URI --digest DIGEST', or deploy a registered version"
#   owner: model-risk
package governance.rules.deployment.model_registered

compliant contains ["models", i] if {
	some i, model in input.facts.models
	model.registration.registered == true
	model.registration.matches == 1
}
