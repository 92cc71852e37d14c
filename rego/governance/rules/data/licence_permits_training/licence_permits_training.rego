# METADATA
# title: Licence permits training
# description: >-
#   Every dataset has a licence that is on the list of those under which models may be trained.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 53(1)(c)
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.7.3
#   - ref: https://genai.owasp.org/llm-top-10/
#     description: OWASP Top 10 for LLM Applications 2025, LLM03
# custom:
#   severity: high
#   applies_to:
#     - {stage: data, kind: dataset, operations: [ingest]}
#     - {stage: training, kind: run, operations: [train]}
#     - {stage: registration, kind: model_version, operations: [promote]}
#   for_each: datasets/*
#   item_id: [id]
#   evidence:
#     - {at: licence, about: item, fields: {licence: string}}
#   approvable: false
#   waivable: {max_days: 90}
#   controls: [G-DAT-08]
#   clauses: ["eu-ai-act/53.1", "iso42001/A.7.3", "owasp-llm/LLM03"]
#   message: "dataset {id} has a licence under which models may not be trained: {licence.licence}"
#   remediation: "Record the licence in the catalog, or let the legal team add it to licences_training"
#   owner: legal
package governance.rules.data.licence_permits_training

import data.governance.config

compliant contains ["datasets", i] if {
	some i, dataset in input.facts.datasets
	dataset.licence.licence in config.list("licences_training")
}
