# METADATA
# title: Tools are limited
# description: >-
#   A model whose output can call tools is granted only tools on the organisation's list, and may do no more with them
#   on its own than its risk tier permits. What provably calls no tools has nothing to limit.
# related_resources:
#   - ref: https://genai.owasp.org/llm-top-10/
#     description: OWASP Top 10 for LLM Applications 2025, LLM06
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 15(5) and 55(1)
# custom:
#   severity: high
#   applies_to:
#     - {stage: deployment, kind: deployment, operations: [deploy, scale]}
#     - {stage: runtime, kind: deployment, operations: [run]}
#   for_each: models/*
#   may_be_empty: true
#   item_id: [id]
#   evidence:
#     - {at: language, about: item, fields: {tools: boolean}, max_age: P1D}
#     - {at: tools, about: item, fields: {granted: strings, autonomy: number}, max_age: P1D, unless_exempt: true}
#   approvable: false
#   waivable: {max_days: 14}
#   controls: [G-LLM-02]
#   clauses: ["owasp-llm/LLM06", "eu-ai-act/15.5", "eu-ai-act/55.1"]
#   message: "model {id} may do too much with tools: granted {tools.granted}, autonomy level {tools.autonomy}"
#   remediation: "Take away what tools_permitted does not name, or have it permitted; let people confirm more of what the model does"
#   owner: security
package governance.rules.deployment.tools_limited

import data.governance.config
import data.governance.lib.compare

compliant contains ["models", i] if {
	some i, model in input.facts.models
	compare.all_in(model.tools.granted, config.list("tools_permitted"))
	compare.at_most(model.tools.autonomy, config.threshold("tool_autonomy"))
}

exempt contains ["models", i] if {
	some i, model in input.facts.models
	model.language.tools == false
}
