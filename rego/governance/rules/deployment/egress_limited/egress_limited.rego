# METADATA
# title: Egress is limited
# description: >-
#   What a deployment can reach in the network is limited, and everything that it can reach is on the list
#   egress_destinations. What can reach nothing is limited, too.
# related_resources:
#   - ref: https://genai.owasp.org/llm-top-10/
#     description: OWASP Top 10 for LLM Applications 2025, LLM10
#   - ref: https://owasp.org/www-project-machine-learning-security-top-10/
#     description: OWASP Machine Learning Security Top 10 (draft 2023), ML05
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.4.5
# custom:
#   severity: medium
#   applies_to:
#     - {stage: deployment, kind: deployment, operations: [deploy, scale]}
#     - {stage: runtime, kind: deployment, operations: [run]}
#   for_each: ""
#   item_id: []
#   evidence:
#     - {at: network, about: subject, fields: {limited: boolean, egress: strings}, max_age: P1D}
#   approvable: false
#   waivable: {max_days: 30}
#   controls: [G-DEP-11]
#   clauses: ["owasp-llm/LLM10", "owasp-ml/ML05", "iso42001/A.4.5"]
#   message: "what it can reach in the network is not limited enough: limited {network.limited}, destinations {network.egress}"
#   remediation: "Limit the egress to the destinations that it needs, or let the platform team add one to egress_destinations"
#   owner: platform
package governance.rules.deployment.egress_limited

import data.governance.config
import data.governance.lib.compare

compliant contains [] if {
	input.facts.network.limited == true
	compare.all_in(input.facts.network.egress, config.list("egress_destinations"))
}

compliant contains [] if {
	input.facts.network.limited == true
	compare.none(input.facts.network.egress)
}
