# METADATA
# title: Inputs are declared
# description: >-
#   The run that made a version read nothing but what its plan named. What it read is known from the access logs of
#   the platform; what the run logged itself is looked at by `registration.lineage_complete`. It is asked at promotion,
#   because before a run nobody can have seen what it reads.
# related_resources:
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.7.5
#   - ref: https://owasp.org/www-project-machine-learning-security-top-10/
#     description: OWASP Machine Learning Security Top 10 (draft 2023), ML02
# custom:
#   severity: high
#   applies_to: [{stage: registration, kind: model_version, operations: [promote]}]
#   for_each: models/*
#   item_id: [id]
#   evidence:
#     - {at: reads, about: item, fields: {observed: number, undeclared: strings}}
#   approvable: false
#   waivable: {max_days: 30}
#   controls: [G-TRN-03]
#   clauses: ["iso42001/A.7.5", "owasp-ml/ML02"]
#   message: "the run of model {id} was seen reading {reads.observed} datasets; not in its plan: {reads.undeclared}"
#   remediation: "Name every dataset in proctor.training(datasets=[...]), and train again where the access logs see it"
#   owner: data-governance
package governance.rules.training.inputs_declared

import data.governance.lib.compare

compliant contains ["models", i] if {
	some i, model in input.facts.models
	compare.at_least(model.reads.observed, 1)
	compare.none(model.reads.undeclared)
}
