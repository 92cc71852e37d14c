# METADATA
# title: Image is signed
# description: >-
#   The signature of every container image was checked, and its signer is on the list image_signers.
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
#     - {at: signature, about: item, fields: {verified: boolean, signer: string}, max_age: P7D, min_tier: verified}
#   approvable: false
#   waivable: {max_days: 30}
#   controls: [G-DEP-06]
#   clauses: ["owasp-ml/ML06", "owasp-llm/LLM03"]
#   message: "image {id} is not signed by somebody who may: signature verified {signature.verified}, signer {signature.signer}"
#   remediation: "Sign the image with a key or identity that image_signers names, or let the platform team add the signer"
#   owner: platform
package governance.rules.deployment.image_signed

import data.governance.config

compliant contains ["images", i] if {
	some i, image in input.facts.images
	image.signature.verified == true
	image.signature.signer in config.list("image_signers")
}
