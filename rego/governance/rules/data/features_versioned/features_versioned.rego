# METADATA
# title: Features come from a version of their set
# description: >-
#   A dataset that is a feature set, or a view of some, names the version that is used. That version cannot change, it
#   defines every feature that is used, the digest of its definitions is known, and an active principal owns it.
#   Feature sets are datasets, so that owner, basis and licence are asked of them as of all others; this rule is not
#   about datasets that are none.
# related_resources:
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.7.5 and A.7.6
#   - ref: https://www.federalreserve.gov/supervisionreg/srletters/srletters.htm
#     description: SR 26-2, model development
# custom:
#   severity: medium
#   applies_to:
#     - {stage: data, kind: dataset, operations: [ingest]}
#     - {stage: training, kind: run, operations: [train]}
#     - {stage: registration, kind: model_version, operations: [promote]}
#   for_each: datasets/*
#   item_id: [id]
#   evidence:
#     - {at: form, about: item, fields: {feature_set: boolean}}
#     - {at: feature_set, about: item, fields: {pinned: boolean, used: strings, defined: strings, owner: string}, unless_exempt: true}
#     - {at: feature_set, about: item, fields: {name: string, version: string, definition: string}, present_only: true, unless_exempt: true}
#   approvable: false
#   waivable: {max_days: 90}
#   controls: [G-DAT-13]
#   clauses: ["iso42001/A.7.5", "iso42001/A.7.6", "sr-26-2/development"]
#   message: "dataset {id} uses {feature_set.used} of {feature_set.name} {feature_set.version}, which defines {feature_set.defined}; pinned: {feature_set.pinned}"
#   remediation: "Publish the features in a version of the feature set that can't change, name an owner, and use that version"
#   owner: data-governance
package governance.rules.data.features_versioned

import data.governance.lib.compare
import data.governance.lib.people

compliant contains ["datasets", i] if {
	some i, dataset in input.facts.datasets
	dataset.feature_set.pinned == true
	compare.all_in(dataset.feature_set.used, dataset.feature_set.defined)
	people.principal(dataset.feature_set.owner)
}

exempt contains ["datasets", i] if {
	some i, dataset in input.facts.datasets
	dataset.form.feature_set == false
}
