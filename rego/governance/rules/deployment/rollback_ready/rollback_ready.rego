# METADATA
# title: Rollback is ready
# description: >-
#   There is something to go back to that could be deployed now, and the way back was drilled not longer ago than the
#   risk tier permits. A plan that nobody tried is a hope.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 20(1)
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, MANAGE 2.4
# custom:
#   severity: medium
#   applies_to:
#     - {stage: deployment, kind: deployment, operations: [deploy, scale]}
#     - {stage: runtime, kind: deployment, operations: [run]}
#   for_each: ""
#   item_id: []
#   evidence:
#     - {at: rollback, about: subject, fields: {target_valid: boolean, drilled_at: timestamp}, max_age: P1D}
#   approvable: false
#   waivable: {max_days: 30}
#   controls: [G-DEP-09]
#   clauses: ["eu-ai-act/20.1", "nist-ai-rmf/MANAGE2.4"]
#   message: "the way back is not proven: target valid {rollback.target_valid}, last drilled {rollback.drilled_at}"
#   remediation: "Name a version that is still allowed here, or a safe stop, as what to go back to, and drill it"
#   owner: platform
package governance.rules.deployment.rollback_ready

import data.governance.config
import data.governance.lib.compare
import data.governance.lib.time as clock

compliant contains [] if {
	input.facts.rollback.target_valid == true
	compare.at_most(clock.days_since(input.facts.rollback.drilled_at), config.threshold("rollback_drill_days"))
}
