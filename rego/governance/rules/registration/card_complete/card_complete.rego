# METADATA
# title: Model card is complete
# description: >-
#   Every version has a model card with all its sections, and the card says what the registry says.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 11 and 13(3)
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.6.2.7 and A.8.2
# custom:
#   severity: high
#   applies_to: [{stage: registration, kind: model_version, operations: [promote]}]
#   for_each: models/*
#   item_id: [id]
#   evidence:
#     - {at: card, about: item, fields: {missing: strings, mismatched: strings}, min_tier: declared}
#   approvable: false
#   waivable: {max_days: 30}
#   controls: [G-REG-08]
#   clauses: ["eu-ai-act/11.1", "eu-ai-act/13.3", "iso42001/A.6.2.7", "iso42001/A.8.2"]
#   message: "the card of model {id} lacks {card.missing}; it contradicts the registry in {card.mismatched}"
#   remediation: "Write governance/model_card.md into the run, with the sections that docs/mlflow.md lists"
#   owner: model-risk
package governance.rules.registration.card_complete

import data.governance.lib.compare

compliant contains ["models", i] if {
	some i, model in input.facts.models
	compare.none(model.card.missing)
	compare.none(model.card.mismatched)
}
