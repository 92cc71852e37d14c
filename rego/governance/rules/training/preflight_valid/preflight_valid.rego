# METADATA
# title: Run has its preflight
# description: >-
#   A run starts only with a preflight that was allowed to the very principal who starts it, not long ago.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 9(8)
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.6.1.3
# custom:
#   severity: critical
#   applies_to: [{stage: training, kind: run, operations: [run]}]
#   for_each: ""
#   item_id: []
#   evidence:
#     - {at: preflight, about: subject, fields: {allowed: boolean, own: boolean, current: boolean}}
#   approvable: false
#   waivable: false
#   controls: [G-TRN-01]
#   clauses: ["eu-ai-act/9.8", "iso42001/A.6.1.3"]
#   message: "the run has no preflight of its own that is allowed and current: allowed {preflight.allowed}, own {preflight.own}, current {preflight.current}"
#   remediation: "Start the run inside proctor.training(purpose=..., datasets=[...])"
#   owner: model-risk
package governance.rules.training.preflight_valid

compliant contains [] if {
	input.facts.preflight.allowed == true
	input.facts.preflight.own == true
	input.facts.preflight.current == true
}
