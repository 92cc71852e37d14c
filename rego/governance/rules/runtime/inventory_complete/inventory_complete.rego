# METADATA
# title: Inventory is complete
# description: >-
#   What runs is in the inventory of AI systems, and its bill of materials names every model, image, index and service
#   that was seen at work in it.
# related_resources:
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, GOVERN 1.6
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.4.2
# custom:
#   severity: high
#   applies_to: [{stage: runtime, kind: deployment, operations: [run]}]
#   for_each: ""
#   item_id: []
#   evidence:
#     - {at: inventory, about: subject, fields: {listed: boolean, unlisted: strings}, max_age: P1D}
#   approvable: false
#   waivable: {max_days: 14}
#   controls: [G-RUN-06]
#   clauses: ["nist-ai-rmf/GOVERN1.6", "sr-26-2/inventory", "iso42001/A.4.2"]
#   message: "the inventory does not account for all that runs: workload listed {inventory.listed}, components not listed {inventory.unlisted}"
#   remediation: "Enter the workload in the inventory, and every component in its bill of materials, or stop what nobody answers for"
#   owner: platform
package governance.rules.runtime.inventory_complete

import data.governance.lib.compare

compliant contains [] if {
	input.facts.inventory.listed == true
	compare.none(input.facts.inventory.unlisted)
}
