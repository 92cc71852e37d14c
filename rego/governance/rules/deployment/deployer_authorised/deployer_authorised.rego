# METADATA
# title: Deployer is authorised
# description: >-
#   The principal who deploys is known to Proctor and may deploy to this environment.
# related_resources:
#   - ref: https://www.iso.org/standard/42001
#     description: ISO/IEC 42001:2023, Annex A.3.2
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, GOVERN 2.1
# custom:
#   severity: critical
#   applies_to: [{stage: deployment, kind: deployment, operations: [deploy, scale]}]
#   for_each: ""
#   item_id: []
#   evidence:
#     - {at: deployer, about: actor, fields: {environments: strings}}
#     - {request: environment, type: string}
#   approvable: false
#   waivable: false
#   controls: [G-DEP-05]
#   clauses: ["iso42001/A.3.2", "nist-ai-rmf/GOVERN2.1"]
#   message: "{actor} may not deploy to {environment}; permitted: {deployer.environments}"
#   remediation: "Link the login with 'proctor principal link', or let an operator add the environment to the principal"
#   owner: platform
package governance.rules.deployment.deployer_authorised

compliant contains [] if input.environment in input.facts.deployer.environments
