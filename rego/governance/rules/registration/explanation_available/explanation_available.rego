# METADATA
# title: Explanation is available
# description: >-
#   Artefacts are kept that explain every version as a whole and its single outputs, by methods that count, and for
#   as many of its outputs as its risk tier asks for. In low tiers it warns. The control G-REG-13 is our own.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 13(3) and 86(1)
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, MEASURE 2.9
# custom:
#   severity: medium
#   applies_to: [{stage: registration, kind: model_version, operations: [promote]}]
#   for_each: models/*
#   item_id: [id]
#   evidence:
#     - {at: explanation, about: item, fields: {whole: string, single: string, coverage: number}}
#     - {at: explanation, about: item, fields: {digest: string}, present_only: true}
#   approvable: false
#   waivable: {max_days: 90}
#   controls: [G-REG-13]
#   clauses: ["eu-ai-act/13.3", "eu-ai-act/86.1", "nist-ai-rmf/MEASURE2.9"]
#   message: "model {id} is not explained well enough: as a whole by {explanation.whole}, single outputs by {explanation.single} for a share of {explanation.coverage}"
#   remediation: "Log an explanation of the model as a whole, and explanations of single outputs for enough of a sample"
#   owner: model-risk
package governance.rules.registration.explanation_available

import data.governance.config
import data.governance.lib.compare

compliant contains ["models", i] if {
	some i, model in input.facts.models
	model.explanation.whole in config.list("explanations_whole")
	model.explanation.single in config.list("explanations_single")
	compare.at_least(model.explanation.coverage, config.threshold("explanation_coverage"))
}
