# METADATA
# title: Who may call which part of Proctor's own API
# description: >-
#   Proctor is its own first client: a call is allowed only when the table below proves that one of the caller's roles
#   may use this route with this method. What the table does not name is denied. The server asks for each route and
#   each role when a policy comes into force and keeps the answers, so that people can still reach the API, and get
#   their denials, while OPA is down; the answer for several roles is allow when it is allow for one of them.
package authz

# METADATA
# title: Decision
# description: Total - any input, even none, yields {"allow" - boolean}.
# entrypoint: true
decision := {"allow": _allowed}

default _allowed := false

_allowed if {
	is_array(input.roles)
	entry := _routes[input.route]
	entry.method == input.method
	some role in input.roles
	role in entry.roles
}

_everybody := {"admin", "approver", "auditor", "gate", "operator", "policy-author", "requester"}

# A gate asks and reads what it was answered; it does not browse.
_readers := _everybody - {"gate"}

# An auditor looks on and never sets anything in motion, not even a question.
_askers := _everybody - {"auditor"}

# Judging what stands is looking on: it records nothing. But it costs a decision for each, so not everybody may.
_auditors := {"admin", "auditor", "operator", "policy-author"}

_routes := {
	"adapters.call": {"method": "POST", "roles": _askers},
	"audit.read": {"method": "GET", "roles": _auditors},
	"datasets.list": {"method": "GET", "roles": _readers},
	"decisions.decide": {"method": "POST", "roles": _askers},
	"decisions.explain": {"method": "GET", "roles": _everybody},
	"decisions.list": {"method": "GET", "roles": _readers},
	"decisions.read": {"method": "GET", "roles": _everybody},
	"keys.create": {"method": "POST", "roles": {"admin"}},
	"keys.list": {"method": "GET", "roles": {"admin", "auditor"}},
	"keys.revoke": {"method": "DELETE", "roles": {"admin"}},
	"ledger.checkpoint": {"method": "GET", "roles": _readers},
	"models.allow": {"method": "POST", "roles": {"admin", "operator"}},
	"models.list": {"method": "GET", "roles": _readers},
	"models.register": {"method": "POST", "roles": {"admin", "operator"}},
	"models.withdraw": {"method": "DELETE", "roles": {"admin", "operator"}},
	"policy.read": {"method": "GET", "roles": _everybody},
	"principals.add": {"method": "POST", "roles": {"admin"}},
	"principals.deactivate": {"method": "DELETE", "roles": {"admin"}},
	"principals.grant": {"method": "POST", "roles": {"admin"}},
	"principals.link": {"method": "POST", "roles": {"admin"}},
	"principals.list": {"method": "GET", "roles": {"admin", "auditor", "operator"}},
	"violations.list": {"method": "GET", "roles": _readers},
	"violations.read": {"method": "GET", "roles": _readers},
	"waivers.list": {"method": "GET", "roles": _readers},
	"waivers.request": {"method": "POST", "roles": {"approver", "requester"}},
	"waivers.revoke": {"method": "DELETE", "roles": {"approver", "requester"}},
	"waivers.sign": {"method": "POST", "roles": {"approver"}},
}
