# METADATA
# title: Image registry is allowed
# description: >-
#   Every container image comes from a registry that the organisation has put on its list image_registries.
# related_resources:
#   - ref: https://owasp.org/www-project-machine-learning-security-top-10/
#     description: OWASP Machine Learning Security Top 10 (draft 2023), ML06
#   - ref: https://genai.owasp.org/llm-top-10/
#     description: OWASP Top 10 for LLM Applications 2025, LLM03
# custom:
#   severity: high
#   applies_to: [{stage: deployment, kind: deployment, operations: [deploy, scale]}]
#   for_each: images/*
#   may_be_empty: true
#   item_id: [id]
#   evidence:
#     - {at: reference, about: item, fields: {registries: strings}, max_age: P1D}
#   approvable: false
#   waivable: {max_days: 90}
#   controls: [G-DEP-06]
#   clauses: ["owasp-ml/ML06", "owasp-llm/LLM03"]
#   message: "image {id} comes from a registry that is not allowed: {reference.registries}"
#   remediation: "Take the image from an allowed registry, or let the platform team add the registry to image_registries"
#   owner: platform
package governance.rules.deployment.image_registry_allowed

import data.governance.config
import data.governance.lib.compare

compliant contains ["images", i] if {
	some i, image in input.facts.images
	compare.all_under(image.reference.registries, config.list("image_registries"))
}
