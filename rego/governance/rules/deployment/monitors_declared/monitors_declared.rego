# METADATA
# title: Monitors are declared
# description: >-
#   For every model, monitors of every kind that the configuration asks for are set up, and the slowest of them looks
#   as often as the risk tier asks.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 72(1)
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.6.2.6
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, MANAGE 4.1
# custom:
#   severity: medium
#   applies_to:
#     - {stage: deployment, kind: deployment, operations: [deploy, scale]}
#     - {stage: runtime, kind: deployment, operations: [run]}
#   for_each: models/*
#   may_be_empty: true
#   item_id: [id]
#   evidence:
#     - {at: monitors, about: item, fields: {kinds: strings, slowest_hours: number}, max_age: P7D}
#   approvable: false
#   waivable: {max_days: 30}
#   controls: [G-DEP-08]
#   clauses: ["eu-ai-act/72.1", "iso42001/A.6.2.6", "nist-ai-rmf/MANAGE4.1"]
#   message: "model {id} is not watched closely enough: monitors {monitors.kinds}, the slowest every {monitors.slowest_hours} hours"
#   remediation: "Set up the monitors that monitors_required names, each at least as often as monitor_hours asks"
#   owner: model-risk
package governance.rules.deployment.monitors_declared

import data.governance.config
import data.governance.lib.compare

compliant contains ["models", i] if {
	some i, model in input.facts.models
	compare.all_in(config.list("monitors_required"), model.monitors.kinds)
	compare.at_most(model.monitors.slowest_hours, config.threshold("monitor_hours"))
}
