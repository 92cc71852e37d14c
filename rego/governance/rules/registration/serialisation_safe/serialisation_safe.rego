# METADATA
# title: Serialisation is safe
# description: >-
#   No file of a version can run code when it is loaded.
# related_resources:
#   - ref: https://owasp.org/www-project-machine-learning-security-top-10/
#     description: OWASP Machine Learning Security Top 10 (draft 2023), ML06
#   - ref: https://genai.owasp.org/llm-top-10/
#     description: OWASP Top 10 for LLM Applications 2025, LLM03
# custom:
#   severity: high
#   applies_to: [{stage: registration, kind: model_version, operations: [promote]}]
#   for_each: models/*
#   item_id: [id]
#   evidence:
#     - {at: artifact, about: item, fields: {unsafe_files: strings}}
#   approvable: false
#   waivable: {max_days: 90}
#   controls: [G-REG-04]
#   clauses: ["owasp-ml/ML06", "owasp-llm/LLM03"]
#   message: "model {id} has files that can run code when they are loaded: {artifact.unsafe_files}"
#   remediation: "Save the model as skops, ONNX or safetensors"
#   owner: model-risk
package governance.rules.registration.serialisation_safe

import data.governance.lib.compare

compliant contains ["models", i] if {
	some i, model in input.facts.models
	compare.none(model.artifact.unsafe_files)
}
