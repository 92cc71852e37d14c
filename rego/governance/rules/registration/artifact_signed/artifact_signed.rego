# METADATA
# title: Artifact is signed
# description: >-
#   A signature over the files of every version was checked: it covers exactly the files that its digest covers, it was
#   made by somebody who may sign, and it leaves out nothing but what git keeps for itself. That the files were hashed
#   is `registration.files_hashed`.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 15(5)
#   - ref: https://owasp.org/www-project-machine-learning-security-top-10/
#     description: OWASP Machine Learning Security Top 10 (draft 2023), ML06 and ML10
#   - ref: https://github.com/ossf/model-signing-spec
#     description: OpenSSF Model Signing (OMS) specification
# custom:
#   severity: high
#   applies_to: [{stage: registration, kind: model_version, operations: [promote]}]
#   for_each: models/*
#   item_id: [id]
#   evidence:
#     - {at: signing, about: item, fields: {covers: boolean, signer: string, ignored: strings}, min_tier: verified, max_age: P90D}
#   approvable: false
#   waivable: {max_days: 30}
#   controls: [G-REG-03]
#   clauses: ["eu-ai-act/15.5", "owasp-ml/ML06", "owasp-ml/ML10"]
#   message: "the files of model {id} are not signed as they must be: all others covered: {signing.covers}; signed by: {signing.signer}; left out: {signing.ignored}"
#   remediation: "Sign all files of the version with an identity or a key that may sign, and let the signature be checked"
#   owner: model-risk
package governance.rules.registration.artifact_signed

import data.governance.config
import data.governance.lib.compare

compliant contains ["models", i] if {
	some i, model in input.facts.models
	model.signing.covers == true
	model.signing.signer in config.list("model_signers")
	_harmless(model.signing.ignored)
}

_harmless(paths) if compare.none(paths)

_harmless(paths) if compare.all_in(paths, config.list("signing_ignored"))
