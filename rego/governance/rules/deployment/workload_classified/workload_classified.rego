# METADATA
# title: Workload is classified
# description: >-
#   Every place of a workload that looks as if it named a model was understood. What nobody understood could carry a
#   model that no other rule looks at.
# related_resources:
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.6.2.5
#   - ref: https://owasp.org/www-project-machine-learning-security-top-10/
#     description: OWASP Machine Learning Security Top 10 (draft 2023), ML06
# custom:
#   severity: critical
#   applies_to: [{stage: deployment, kind: deployment, operations: [deploy, scale]}]
#   for_each: ""
#   item_id: []
#   evidence:
#     - {at: workload, about: subject, fields: {unclassified: strings}, max_age: P1D}
#   approvable: false
#   waivable: false
#   controls: [G-DEP-01]
#   clauses: ["iso42001/A.6.2.5", "owasp-ml/ML06"]
#   message: "{workload.kind} {workload.name} has model-like keys that nobody understood: {workload.unclassified}"
#   remediation: "Name the model in a field that Proctor reads (docs/kubernetes.md lists them), or let an operator list the name in adapters.kubernetes.not_models"
#   owner: platform
package governance.rules.deployment.workload_classified

import data.governance.lib.compare

compliant contains [] if compare.none(input.facts.workload.unclassified)
