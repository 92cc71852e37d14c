# METADATA
# title: Findings are mended in time
# description: >-
#   No more critical findings are open on what runs, and none for longer, than its risk tier permits. What nobody mends
#   in time is restricted or stopped.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 20(1)
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, MANAGE 1.3
# custom:
#   severity: high
#   applies_to: [{stage: runtime, kind: deployment, operations: [run]}]
#   for_each: ""
#   item_id: []
#   evidence:
#     - {at: open_findings, about: subject, fields: {critical: number, oldest_days: number}, max_age: PT1H}
#   approvable: false
#   waivable: {max_days: 7}
#   controls: [G-RUN-03]
#   clauses: ["eu-ai-act/20.1", "nist-ai-rmf/MANAGE1.3"]
#   message: "critical findings are beyond the limits of the risk tier: {open_findings.critical} open, the oldest {open_findings.oldest_days} days"
#   remediation: "Mend what was found and close it; until then, restrict or stop what runs"
#   owner: model-risk
package governance.rules.runtime.findings_in_time

import data.governance.config
import data.governance.lib.compare

compliant contains [] if {
	compare.at_most(input.facts.open_findings.critical, config.threshold("open_critical_findings"))
	compare.at_most(input.facts.open_findings.oldest_days, config.threshold("open_critical_days"))
}
