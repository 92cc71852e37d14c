# METADATA
# title: Deployment is approved
# description: >-
#   People have said yes to a deployment whose risk tier asks for it, or in which something was not understood: to
#   exactly these digests and this risk, in this environment, under this rule, by the chain that the configuration
#   names. Nobody is asked about a risk that nobody stated.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 14(1) and 26(2)
# custom:
#   severity: high
#   applies_to: [{stage: deployment, kind: deployment, operations: [deploy]}]
#   for_each: ""
#   item_id: []
#   evidence:
#     - {at: workload, about: subject, fields: {unclassified: strings}, max_age: P1D}
#     - {of: "models/*", at: risk, about: item, fields: {exposure: string, autonomy: string, data_class: string}, max_age: P365D, present_only: true}
#   approvable: true
#   waivable: {max_days: 7}
#   controls: [G-DEP-03]
#   clauses: ["eu-ai-act/14.1", "eu-ai-act/26.2", "sr-26-2/governance"]
#   message: "people have to approve {workload.kind} {workload.name} for {environment}: its risk tier asks for it, or something was not understood: {workload.unclassified}"
#   remediation: "Ask the people of the approval chain for their votes on this digest, and deploy the same digest again"
#   owner: model-risk
package governance.rules.deployment.deployment_approved

import data.governance.config
import data.governance.lib.compare

compliant contains [] if {
	compare.none(input.facts.workload.unclassified)
	compare.at_most(config.threshold("deployment_approval"), 0)
}
