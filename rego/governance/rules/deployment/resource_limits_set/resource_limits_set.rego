# METADATA
# title: Resource limits are set
# description: >-
#   Every container of a deployment has a limit for CPU and for memory, so that no request can exhaust the node that
#   serves it.
# related_resources:
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.4.5
#   - ref: https://genai.owasp.org/llm-top-10/
#     description: OWASP Top 10 for LLM Applications 2025, LLM10
# custom:
#   severity: medium
#   applies_to: [{stage: deployment, kind: deployment, operations: [deploy, scale]}]
#   for_each: ""
#   item_id: []
#   evidence:
#     - {at: workload, about: subject, fields: {unlimited_containers: strings}, max_age: P1D}
#   approvable: true
#   waivable: {max_days: 30}
#   controls: [G-DEP-11]
#   clauses: ["iso42001/A.4.5", "owasp-llm/LLM10"]
#   message: "{workload.kind} {workload.name} has containers without CPU and memory limits: {workload.unlimited_containers}"
#   remediation: "Set resources.limits.cpu and resources.limits.memory on every container"
#   owner: platform
package governance.rules.deployment.resource_limits_set

import data.governance.lib.compare

compliant contains [] if compare.none(input.facts.workload.unlimited_containers)
