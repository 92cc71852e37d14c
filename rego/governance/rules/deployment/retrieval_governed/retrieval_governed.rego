# METADATA
# title: Retrieval is governed
# description: >-
#   Documents that are looked up for a model come from the index whose sources were reviewed, under terms that permit it,
#   and nobody sees those of another tenant. What provably looks nothing up has no index to govern.
# related_resources:
#   - ref: https://genai.owasp.org/llm-top-10/
#     description: OWASP Top 10 for LLM Applications 2025, LLM02 and LLM08
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
#     - {at: language, about: item, fields: {retrieval: boolean}, max_age: P7D}
#     - {at: retrieval, about: item, fields: {index: string, reviewed: string, licences: strings, tenancy: string}, max_age: P7D, unless_exempt: true}
#   approvable: false
#   waivable: {max_days: 14}
#   controls: [G-LLM-03]
#   clauses: ["owasp-llm/LLM08", "owasp-llm/LLM02", "eu-ai-act/15.5", "eu-ai-act/55.1"]
#   message: "model {id} looks things up under {retrieval.licences}, tenancy {retrieval.tenancy}; its index is {retrieval.index}, reviewed {retrieval.reviewed}"
#   remediation: "Use the index that was reviewed, or have this one reviewed; leave out sources whose terms forbid it; filter by who asks"
#   owner: data-governance
package governance.rules.deployment.retrieval_governed

import data.governance.config
import data.governance.lib.compare

compliant contains ["models", i] if {
	some i, model in input.facts.models
	compare.same_digest(model.retrieval.index, model.retrieval.reviewed)
	compare.all_in(model.retrieval.licences, config.list("licences_retrieval"))
	model.retrieval.tenancy in config.list("retrieval_tenancies")
}

exempt contains ["models", i] if {
	some i, model in input.facts.models
	model.language.retrieval == false
}
