# METADATA
# title: Model reference is immutable
# description: >-
#   A deployment names each model by a URI whose content cannot change without the URI changing. An alias, a stage,
#   a tag, a branch or a bucket prefix would let another model in after the decision.
# related_resources:
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.6.2.5
#   - ref: https://owasp.org/www-project-machine-learning-security-top-10/
#     description: OWASP Machine Learning Security Top 10 (draft 2023), ML06
# custom:
#   severity: critical
#   applies_to: [{stage: deployment, kind: deployment, operations: [deploy, scale]}]
#   for_each: models/*
#   may_be_empty: true
#   item_id: [id]
#   evidence:
#     - {at: reference, about: item, fields: {mutable: boolean}, max_age: P1D}
#   approvable: false
#   waivable: false
#   controls: [G-DEP-01]
#   clauses: ["iso42001/A.6.2.5", "owasp-ml/ML06"]
#   message: "model {id} is named by a reference that can change: {reference.uris}"
#   remediation: "Name a registered version or a digest, such as models:/NAME/7 or an OCI reference with @sha256, instead of an alias, tag or branch"
#   owner: model-risk
package governance.rules.deployment.model_reference_immutable

compliant contains ["models", i] if {
	some i, model in input.facts.models
	model.reference.mutable == false
}
