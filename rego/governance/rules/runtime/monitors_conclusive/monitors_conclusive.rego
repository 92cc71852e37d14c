# METADATA
# title: Monitors are conclusive
# description: >-
#   Every model is really watched: enough of the looks that were due came to a verdict in time, and the last one not too
#   long ago. Of the last N looks no more than M found drift (`drift_window` and `drift_looks`).
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 26(5) and 72(2)
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, MEASURE 2.4
# custom:
#   severity: high
#   applies_to: [{stage: runtime, kind: deployment, operations: [run]}]
#   for_each: models/*
#   may_be_empty: true
#   item_id: [id]
#   evidence:
#     - {at: monitoring, about: item, fields: {due: number, conclusive: number, silent_hours: number, window: number, drifted: number}, max_age: P1D}
#   approvable: false
#   waivable: {max_days: 14}
#   controls: [G-RUN-02]
#   clauses: ["eu-ai-act/72.2", "eu-ai-act/26.5", "nist-ai-rmf/MEASURE2.4", "sr-26-2/monitoring"]
#   message: "{id} is unwatched or drifts: {monitoring.conclusive} of {monitoring.due}, last {monitoring.silent_hours} h ago, drift {monitoring.drifted} of {monitoring.window}"
#   remediation: "Mend the monitors that fail or come late; where they find drift, train anew, go back, or stop the model"
#   owner: model-risk
package governance.rules.runtime.monitors_conclusive

import data.governance.config
import data.governance.lib.compare

compliant contains ["models", i] if {
	some i, model in input.facts.models
	compare.percent_at_least(
		model.monitoring.conclusive,
		model.monitoring.due,
		config.threshold("monitor_conclusive_percent"),
	)
	compare.at_most(model.monitoring.silent_hours, config.threshold("monitor_silent_hours"))
	compare.at_least(model.monitoring.window, config.threshold("drift_window"))
	compare.at_most(model.monitoring.drifted, config.threshold("drift_looks"))
}
