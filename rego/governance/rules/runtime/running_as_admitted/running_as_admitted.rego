# METADATA
# title: Running as admitted
# description: >-
#   An observer found every model running that was admitted, and no other: the digest of what was loaded is the one that
#   the decision was about by which it came to run.
# related_resources:
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, GOVERN 1.6
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.4.2
# custom:
#   severity: critical
#   applies_to: [{stage: runtime, kind: deployment, operations: [run]}]
#   for_each: models/*
#   may_be_empty: true
#   item_id: [id]
#   evidence:
#     - {at: running, about: item, fields: {digest: string, admitted: string}, max_age: P1D}
#   approvable: false
#   waivable: false
#   controls: [G-RUN-01]
#   clauses: ["nist-ai-rmf/GOVERN1.6", "sr-26-2/inventory", "iso42001/A.4.2"]
#   message: "model {id} does not run as it was admitted: {running.digest} runs, {running.admitted} was admitted"
#   remediation: "Deploy again what was admitted, or have what runs admitted; find out who changed it"
#   owner: platform
package governance.rules.runtime.running_as_admitted

import data.governance.lib.compare

compliant contains ["models", i] if {
	some i, model in input.facts.models
	compare.same_digest(model.running.digest, model.running.admitted)
}
