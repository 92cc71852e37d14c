# METADATA
# title: Transparency notice is shown
# description: >-
#   People who meet the system are told that it is AI, where Art. 50 asks for it. Where it provably does not apply,
#   because nobody meets it, there is nothing to show.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 50(1) and 26(11)
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.8.2
# custom:
#   severity: high
#   applies_to:
#     - {stage: deployment, kind: deployment, operations: [deploy, scale]}
#     - {stage: runtime, kind: deployment, operations: [run]}
#   for_each: ""
#   item_id: []
#   evidence:
#     - {at: transparency, about: subject, fields: {applies: boolean}, max_age: P180D}
#     - {at: notice, about: subject, fields: {shown: boolean}, max_age: P30D, unless_exempt: true}
#   approvable: false
#   waivable: {max_days: 14}
#   controls: [G-DEP-12]
#   clauses: ["eu-ai-act/50.1", "eu-ai-act/26.11", "iso42001/A.8.2"]
#   message: "people are not told that they deal with AI: notice shown {notice.shown}"
#   remediation: "Show the notice to everybody who meets the system, or have it established that the duty does not apply"
#   owner: model-risk
#   effective_on: "2026-08-02T00:00:00Z"
package governance.rules.deployment.transparency_shown

compliant contains [] if input.facts.notice.shown == true

exempt contains [] if input.facts.transparency.applies == false
