# METADATA
# title: Files are hashed
# description: >-
#   All files of a version were read and hashed, and so its digest is known and later changes are seen.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 15(5)
#   - ref: https://owasp.org/www-project-machine-learning-security-top-10/
#     description: OWASP Machine Learning Security Top 10 (draft 2023), ML06 and ML10
# custom:
#   severity: critical
#   applies_to: [{stage: registration, kind: model_version, operations: [promote]}]
#   for_each: models/*
#   item_id: [id]
#   evidence:
#     - {at: artifact, about: item, fields: {files: number}}
#   approvable: false
#   waivable: false
#   controls: [G-REG-03]
#   clauses: ["eu-ai-act/15.5", "owasp-ml/ML06", "owasp-ml/ML10"]
#   message: "the files of model {id} are not known: {artifact.files}"
#   remediation: "Wait a moment: the files are hashed after the version was created. If it stays so, look at proctor doctor mlflow"
#   owner: model-risk
package governance.rules.registration.files_hashed

import data.governance.lib.compare

compliant contains ["models", i] if {
	some i, model in input.facts.models
	compare.at_least(model.artifact.files, 1)
}
