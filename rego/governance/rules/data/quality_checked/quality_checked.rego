# METADATA
# title: Quality of the data was checked
# description: >-
#   A quality suite with enough expectations for the risk tier ran on this very version of the data, not long ago, and
#   none of its expectations failed. The evidence is about the version, so a check of an earlier one proves nothing.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 10(3) and 17(1)(f)
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.7.4
# custom:
#   severity: high
#   applies_to:
#     - {stage: data, kind: dataset, operations: [ingest]}
#     - {stage: training, kind: run, operations: [train]}
#     - {stage: registration, kind: model_version, operations: [promote]}
#   for_each: datasets/*
#   item_id: [id]
#   evidence:
#     - {at: quality, about: item, fields: {passed: boolean, expectations: number, failed: number}, max_age: P90D}
#   approvable: false
#   waivable: {max_days: 30}
#   controls: [G-DAT-09]
#   clauses: ["eu-ai-act/10.3", "eu-ai-act/17.1", "iso42001/A.7.4"]
#   message: "dataset {id} is not proven good enough: {quality.suite}, passed: {quality.passed}, {quality.failed} of {quality.expectations} expectations failed"
#   remediation: "Mend the data or the suite, and run the suite on the version that is used; quality_expectations says how many are enough"
#   owner: data-governance
package governance.rules.data.quality_checked

import data.governance.config
import data.governance.lib.compare

compliant contains ["datasets", i] if {
	some i, dataset in input.facts.datasets
	dataset.quality.passed == true
	dataset.quality.failed == 0
	compare.at_least(dataset.quality.expectations, config.threshold("quality_expectations"))
}
