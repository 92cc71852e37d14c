# METADATA
# title: Logs are kept
# description: >-
#   What a deployment does is logged, requests and answers included, and the logs are kept for as long as its risk tier
#   asks.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 12(1), 19(1) and 26(6)
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.6.2.8
# custom:
#   severity: high
#   applies_to:
#     - {stage: deployment, kind: deployment, operations: [deploy, scale]}
#     - {stage: runtime, kind: deployment, operations: [run]}
#   for_each: ""
#   item_id: []
#   evidence:
#     - {at: logging, about: subject, fields: {enabled: boolean, retention_days: number}, max_age: P1D}
#   approvable: false
#   waivable: {max_days: 30}
#   controls: [G-DEP-07]
#   clauses: ["eu-ai-act/12.1", "eu-ai-act/19.1", "eu-ai-act/26.6", "iso42001/A.6.2.8"]
#   message: "logs are not kept for long enough: logging {logging.enabled}, kept for {logging.retention_days} days"
#   remediation: "Turn on the logging of requests and answers, and set its retention to at least what log_retention_days asks"
#   owner: platform
package governance.rules.deployment.logging_retained

import data.governance.config
import data.governance.lib.compare

compliant contains [] if {
	input.facts.logging.enabled == true
	compare.at_least(input.facts.logging.retention_days, config.threshold("log_retention_days"))
}
