# METADATA
# title: Lineage is complete
# description: >-
#   The way from data to run to version is whole: the run logged what it read, every input is known, and none was
#   read that the preflight did not name.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 10(2)
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.7.5
# custom:
#   severity: high
#   applies_to: [{stage: registration, kind: model_version, operations: [promote]}]
#   for_each: models/*
#   item_id: [id]
#   evidence:
#     - {at: lineage, about: item, fields: {inputs: number, unresolved: strings, undeclared: strings}}
#   approvable: false
#   waivable: {max_days: 30}
#   controls: [G-REG-11]
#   clauses: ["eu-ai-act/10.2", "iso42001/A.7.5"]
#   message: "the lineage of model {id} has {lineage.inputs} inputs; unknown: {lineage.unresolved}; not in the preflight: {lineage.undeclared}"
#   remediation: "Log every input with mlflow.log_input, and name all of them in proctor.training(datasets=[...])"
#   owner: data-governance
package governance.rules.registration.lineage_complete

import data.governance.lib.compare

compliant contains ["models", i] if {
	some i, model in input.facts.models
	compare.at_least(model.lineage.inputs, 1)
	compare.none(model.lineage.unresolved)
	compare.none(model.lineage.undeclared)
}
