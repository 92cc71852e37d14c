# METADATA
# title: Image is pinned
# description: >-
#   Every container image is named with its digest, so that what was judged is what runs.
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
#     - {at: reference, about: item, fields: {pinned: boolean}, max_age: P1D}
#   approvable: false
#   waivable: {max_days: 30}
#   controls: [G-DEP-06]
#   clauses: ["owasp-ml/ML06", "owasp-llm/LLM03"]
#   message: "image {id} is not pinned by its digest: {reference.references}"
#   remediation: "Write the image as NAME@sha256:DIGEST"
#   owner: platform
package governance.rules.deployment.image_pinned

compliant contains ["images", i] if {
	some i, image in input.facts.images
	image.reference.pinned == true
}
