# METADATA
# title: Oversight is named
# description: >-
#   A person who is still there oversees the deployment, and there is a control by which it can be stopped.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 14(4)(e) and 26(2)
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, MAP 3.5
# custom:
#   severity: high
#   applies_to:
#     - {stage: deployment, kind: deployment, operations: [deploy, scale]}
#     - {stage: runtime, kind: deployment, operations: [run]}
#   for_each: ""
#   item_id: []
#   evidence:
#     - {at: oversight, about: subject, fields: {owner: string, active: boolean, stop_control: boolean}, max_age: P30D}
#   approvable: false
#   waivable: {max_days: 30}
#   controls: [G-DEP-10]
#   clauses: ["eu-ai-act/14.4", "eu-ai-act/26.2", "nist-ai-rmf/MAP3.5"]
#   message: "nobody is proven able to oversee and stop it: owner {oversight.owner}, active {oversight.active}, stop control {oversight.stop_control}"
#   remediation: "Name a person who is active as the owner of its oversight, and give them a control that stops it"
#   owner: model-risk
package governance.rules.deployment.oversight_named

import data.governance.lib.people

compliant contains [] if {
	people.person(input.facts.oversight.owner)
	input.facts.oversight.active == true
	input.facts.oversight.stop_control == true
}
