# METADATA
# title: Version has a preflight
# description: >-
#   Every version comes from a run whose preflight was allowed.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 9(8)
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.6.1.3
# custom:
#   severity: critical
#   applies_to: [{stage: registration, kind: model_version, operations: [register, promote]}]
#   for_each: ""
#   item_id: []
#   evidence:
#     - {at: preflight, about: subject, fields: {allowed: boolean}}
#   approvable: false
#   waivable: false
#   controls: [G-TRN-01]
#   clauses: ["eu-ai-act/9.8", "iso42001/A.6.1.3"]
#   message: "the run behind {subject.name} has no preflight that was allowed"
#   remediation: "Train inside proctor.training(purpose=..., datasets=[...]), and register what that run made"
#   owner: model-risk
package governance.rules.registration.preflight_allowed

compliant contains [] if input.facts.preflight.allowed == true
