# METADATA
# title: Who may ask OPA what
# description: >-
#   OPA asks this policy about every call to its own API (--authorization=basic). Only what the engine sends passes: the
#   two queries in strict mode, health, and the status of the bundle that a sidecar pulls. Everything else, above all
#   whatever writes policy or data, is denied.
# related_resources:
#   - ref: https://www.openpolicyagent.org/docs/security#authentication-and-authorization
#     description: OPA, Authentication and Authorization
package system.authz

default allow := false

allow if {
	input.method == "POST"
	input.path in _queries
	input.params == {"strict-builtin-errors": ["true"]}
}

allow if {
	input.method == "GET"
	input.path in {["health"], ["v1", "status"]}
	input.params == {}
}

_queries := {
	["v1", "data", "governance", "main", "decision"],
	["v1", "data", "authz", "decision"],
}
