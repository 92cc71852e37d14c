# METADATA
# title: Model digest is allowed
# description: >-
#   The reference of each model resolves to a digest, and the inventory allows exactly this digest in the
#   environment of the deployment.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 15(5)
#   - ref: https://owasp.org/www-project-machine-learning-security-top-10/
#     description: OWASP Machine Learning Security Top 10 (draft 2023), ML06 and ML10
# custom:
#   severity: critical
#   applies_to: [{stage: deployment, kind: deployment, operations: [deploy, scale]}]
#   for_each: models/*
#   may_be_empty: true
#   item_id: [id]
#   evidence:
#     - {at: allowance, about: item, fields: {digest_known: boolean, digest_allowed: boolean}, max_age: P3650D}
#   approvable: false
#   waivable: false
#   controls: [G-REG-03]
#   clauses: ["eu-ai-act/15.5", "owasp-ml/ML06", "owasp-ml/ML10"]
#   message: "model {id} with digest {digest} is not allowed in {environment}"
#   remediation: "Allow this digest with 'proctor model allow NAME VERSION --environment ENVIRONMENT', or deploy a digest that is allowed"
#   owner: model-risk
package governance.rules.deployment.model_digest_allowed

compliant contains ["models", i] if {
	some i, model in input.facts.models
	model.allowance.digest_known == true
	model.allowance.digest_allowed == true
}
