# METADATA
# title: Waivers are within limits
# description: >-
#   No more waivers bear on a deployment, and none for longer, than its risk tier permits. Waivers are for the
#   exceptional case; a pile of them, or one that is renewed for ever, is the normal case in disguise.
# related_resources:
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, GOVERN 1.4 and MANAGE 1.4
# custom:
#   severity: high
#   applies_to:
#     - {stage: deployment, kind: deployment, operations: [deploy, scale]}
#     - {stage: runtime, kind: deployment, operations: [run]}
#   for_each: ""
#   item_id: []
#   evidence:
#     - {at: waivers, about: subject, fields: {active: number, oldest_days: number}, max_age: PT1H}
#   approvable: false
#   waivable: false
#   controls: [G-RUN-05]
#   clauses: ["nist-ai-rmf/GOVERN1.4", "nist-ai-rmf/MANAGE1.4"]
#   message: "waivers are beyond the limits of the risk tier: {waivers.active} active, oldest {waivers.oldest_days} days"
#   remediation: "Mend what the waivers excuse, revoke those that are not needed, and deploy again"
#   owner: model-risk
package governance.rules.runtime.waivers_within_limits

import data.governance.config
import data.governance.lib.compare

compliant contains [] if {
	compare.at_most(input.facts.waivers.active, config.threshold("waivers_active"))
	compare.at_most(input.facts.waivers.oldest_days, config.threshold("waivers_oldest_days"))
}
