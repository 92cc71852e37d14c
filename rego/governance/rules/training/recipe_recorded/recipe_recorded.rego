# METADATA
# title: Recipe is recorded
# description: >-
#   A run can be made again: its source code has a revision and no uncommitted change, its environment exact
#   versions, its randomness a seed.
# related_resources:
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.6.2.3
# custom:
#   severity: high
#   applies_to: [{stage: training, kind: run, operations: [train]}]
#   for_each: ""
#   item_id: []
#   evidence:
#     - {at: plan, about: subject, fields: {commit: string}, min_tier: declared, present_only: true}
#     - {at: plan, about: subject, fields: {clean: boolean, locked: boolean, seeded: boolean}, min_tier: declared}
#   approvable: false
#   waivable: {max_days: 30}
#   controls: [G-TRN-02]
#   clauses: ["iso42001/A.6.2.3"]
#   message: "the run could not be made again: clean {plan.clean}, locked {plan.locked}, seeded {plan.seeded}"
#   remediation: "Commit the source, lock the environment, and set a seed"
#   owner: model-risk
package governance.rules.training.recipe_recorded

compliant contains [] if {
	input.facts.plan.clean == true
	input.facts.plan.locked == true
	input.facts.plan.seeded == true
}
