# METADATA
# title: Incidents are reported
# description: >-
#   The clock of every serious incident is known, and none is past the day by which it must have been reported: fifteen
#   days, two for what is widespread or hits critical infrastructure, ten where somebody died.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 73(2) to (5)
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.8.4
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, MANAGE 4.3
# custom:
#   severity: critical
#   applies_to: [{stage: runtime, kind: deployment, operations: [run]}]
#   for_each: ""
#   item_id: []
#   evidence:
#     - {at: incidents, about: subject, fields: {untracked: number, serious_days: number, widespread_days: number, death_days: number}, max_age: PT6H}
#   approvable: false
#   waivable: false
#   controls: [G-RUN-04]
#   clauses: ["eu-ai-act/73.2", "eu-ai-act/73.3", "eu-ai-act/73.4", "eu-ai-act/73.5", "iso42001/A.8.4", "nist-ai-rmf/MANAGE4.3"]
#   message: "a report is overdue: serious {incidents.serious_days} d, widespread {incidents.widespread_days}, death {incidents.death_days}; {incidents.untracked} untracked"
#   remediation: "Report it to the authority now: a first report may be incomplete (Art. 73(5)); record its class and when you became aware of it"
#   owner: legal
package governance.rules.runtime.incidents_reported

import data.governance.config
import data.governance.lib.compare

compliant contains [] if {
	input.facts.incidents.untracked == 0
	compare.at_most(input.facts.incidents.serious_days, config.threshold("incident_report_days"))
	compare.at_most(input.facts.incidents.widespread_days, config.threshold("incident_widespread_report_days"))
	compare.at_most(input.facts.incidents.death_days, config.threshold("incident_death_report_days"))
}
