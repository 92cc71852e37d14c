# METADATA
# title: Impact is assessed
# description: >-
#   What every version does to people and society was assessed, as far as law and standards ask for it; nothing that is
#   needed is missing; the assessment is of this very version, not too old, and concludes that it may be used.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 27(1)
#   - ref: https://eur-lex.europa.eu/eli/reg/2016/679/oj
#     description: Regulation (EU) 2016/679 (GDPR), Art. 35(1)
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.5.2 and A.5.5
# custom:
#   severity: high
#   applies_to: [{stage: registration, kind: model_version, operations: [promote]}]
#   for_each: models/*
#   item_id: [id]
#   evidence:
#     - at: impact
#       about: item
#       fields: {assessments: strings, missing: strings, covers: boolean, conclusion: string}
#       max_age: P365D
#   approvable: false
#   waivable: false
#   controls: [G-REG-12]
#   clauses: ["eu-ai-act/27.1", "gdpr/35.1", "iso42001/A.5.2", "iso42001/A.5.5"]
#   message: "the impact of model {id} is assessed by {impact.assessments}; missing: {impact.missing}; this version: {impact.covers}; conclusion: {impact.conclusion}"
#   remediation: "Let the assessment be concluded or brought up to date for this version; a screening says which ones are needed"
#   owner: data-protection
package governance.rules.registration.impact_assessed

import data.governance.config
import data.governance.lib.compare

compliant contains ["models", i] if {
	some i, model in input.facts.models
	compare.all_in(model.impact.assessments, config.list("impact_assessments"))
	compare.none(model.impact.missing)
	model.impact.covers == true
	model.impact.conclusion in config.list("impact_conclusions")
}
