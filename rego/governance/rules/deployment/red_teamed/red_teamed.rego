# METADATA
# title: Red-teamed
# description: >-
#   Within half a year, a red team has tried every kind of attack that the configuration names on exactly this version,
#   and no more of what succeeded is left than its risk tier permits. Its attestation was checked; so was what says that
#   a model answers to no prompts and needs none.
# related_resources:
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, MEASURE 2.6
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 15(5) and 55(1)
# custom:
#   severity: high
#   applies_to:
#     - {stage: deployment, kind: deployment, operations: [deploy, scale]}
#     - {stage: runtime, kind: deployment, operations: [run]}
#   for_each: models/*
#   may_be_empty: true
#   item_id: [id]
#   evidence:
#     - {at: language, about: item, fields: {prompted: boolean}, max_age: P7D, min_tier: verified}
#     - {at: red_team, about: item, fields: {classes: strings, unresolved: number}, max_age: P180D, min_tier: verified, unless_exempt: true}
#   approvable: false
#   waivable: {max_days: 30}
#   controls: [G-LLM-04]
#   clauses: ["nist-ai-rmf/MEASURE2.6", "eu-ai-act/15.5", "eu-ai-act/55.1"]
#   message: "model {id} was not attacked enough, or not mended: tried {red_team.classes}, {red_team.unresolved} unresolved"
#   remediation: "Have a red team try every kind of attack in attack_classes on this version, and mend what succeeds"
#   owner: security
package governance.rules.deployment.red_teamed

import data.governance.config
import data.governance.lib.compare

compliant contains ["models", i] if {
	some i, model in input.facts.models
	compare.all_in(config.list("attack_classes"), model.red_team.classes)
	compare.at_most(model.red_team.unresolved, config.threshold("red_team_unresolved"))
}

exempt contains ["models", i] if {
	some i, model in input.facts.models
	model.language.prompted == false
}
