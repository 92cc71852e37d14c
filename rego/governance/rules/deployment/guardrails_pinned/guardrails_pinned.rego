# METADATA
# title: Guardrails are pinned
# description: >-
#   What answers to prompts has the system prompt that was reviewed, and guardrails of every kind that the configuration
#   asks for, none of which can change unseen. What provably answers to no prompts needs none.
# related_resources:
#   - ref: https://genai.owasp.org/llm-top-10/
#     description: OWASP Top 10 for LLM Applications 2025, LLM01 and LLM07
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
#     - {at: language, about: item, fields: {prompted: boolean}, max_age: P7D}
#     - {at: guardrails, about: item, fields: {prompt: string, reviewed: string, kinds: strings, unpinned: strings}, max_age: P7D, unless_exempt: true}
#   approvable: false
#   waivable: {max_days: 14}
#   controls: [G-LLM-01]
#   clauses: ["owasp-llm/LLM01", "owasp-llm/LLM07", "eu-ai-act/15.5", "eu-ai-act/55.1"]
#   message: "model {id} has guardrails against {guardrails.kinds}, not pinned: {guardrails.unpinned}; its prompt is {guardrails.prompt}, reviewed {guardrails.reviewed}"
#   remediation: "Deploy the system prompt that was reviewed, and guardrails of every kind that guardrails_required names, each at a fixed version"
#   owner: security
package governance.rules.deployment.guardrails_pinned

import data.governance.config
import data.governance.lib.compare

compliant contains ["models", i] if {
	some i, model in input.facts.models
	compare.same_digest(model.guardrails.prompt, model.guardrails.reviewed)
	compare.all_in(config.list("guardrails_required"), model.guardrails.kinds)
	compare.none(model.guardrails.unpinned)
}

exempt contains ["models", i] if {
	some i, model in input.facts.models
	model.language.prompted == false
}
