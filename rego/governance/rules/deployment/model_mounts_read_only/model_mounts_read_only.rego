# METADATA
# title: Model mounts are read-only
# description: >-
#   No container can write to the model that it serves.
# related_resources:
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.4.5
#   - ref: https://owasp.org/www-project-machine-learning-security-top-10/
#     description: OWASP Machine Learning Security Top 10 (draft 2023), ML10
# custom:
#   severity: critical
#   applies_to: [{stage: deployment, kind: deployment, operations: [deploy, scale]}]
#   for_each: ""
#   item_id: []
#   evidence:
#     - {at: workload, about: subject, fields: {writable_model_mounts: strings}, max_age: P1D}
#   approvable: false
#   waivable: false
#   controls: [G-DEP-11]
#   clauses: ["iso42001/A.4.5", "owasp-ml/ML10"]
#   message: "{workload.kind} {workload.name} mounts a model writable: {workload.writable_model_mounts}"
#   remediation: "Set readOnly: true on every mount and volume that holds a model"
#   owner: platform
package governance.rules.deployment.model_mounts_read_only

import data.governance.lib.compare

compliant contains [] if compare.none(input.facts.workload.writable_model_mounts)
