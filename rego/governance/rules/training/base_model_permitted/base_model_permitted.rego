# METADATA
# title: Base models are permitted
# description: >-
#   A run that starts from other models names each by the digest of its files, each was signed by somebody who may
#   sign base models, and each one's licence allows building on it. Where a run starts from none, all that is said of
#   them agrees with that.
# related_resources:
#   - ref: https://genai.owasp.org/llmrisk/llm032025-supply-chain/
#     description: OWASP Top 10 for LLM Applications 2025, LLM03
#   - ref: https://owasp.org/www-project-machine-learning-security-top-10/
#     description: OWASP Machine Learning Security Top 10 (draft 2023), ML07
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.10.3
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, MANAGE 3.2
# custom:
#   severity: high
#   applies_to: [{stage: training, kind: run, operations: [train]}]
#   for_each: ""
#   item_id: []
#   evidence:
#     - at: base_models
#       about: subject
#       fields: {used: number, unpinned: strings, unsigned: strings, signers: strings, licences: strings}
#       max_age: P30D
#   approvable: false
#   waivable: {max_days: 30}
#   controls: [G-TRN-05]
#   clauses: ["owasp-llm/LLM03", "owasp-ml/ML07", "iso42001/A.10.3", "nist-ai-rmf/MANAGE3.2"]
#   message: "{base_models.used} base models; unpinned: {base_models.unpinned}; unsigned: {base_models.unsigned}; signers: {base_models.signers}; licences: {base_models.licences}"
#   remediation: "Name each base model by its digest, and take one that a permitted signer has signed under a permitted licence"
#   owner: model-risk
package governance.rules.training.base_model_permitted

import data.governance.config
import data.governance.lib.compare

compliant contains [] if {
	_sound
	compare.at_least(input.facts.base_models.used, 1)
	compare.all_in(input.facts.base_models.signers, config.list("base_model_signers"))
	compare.all_in(input.facts.base_models.licences, config.list("base_model_licences"))
}

compliant contains [] if {
	_sound
	input.facts.base_models.used == 0
	compare.none(input.facts.base_models.signers)
	compare.none(input.facts.base_models.licences)
}

_sound if {
	compare.none(input.facts.base_models.unpinned)
	compare.none(input.facts.base_models.unsigned)
}
