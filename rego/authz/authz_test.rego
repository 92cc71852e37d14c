package authz_test

import data.authz

_asking(route, method, roles) := {"route": route, "method": method, "roles": roles}

_denied := {"allow": false}

_allowed := {"allow": true}

test_admin_creates_keys if {
	authz.decision == _allowed with input as _asking("keys.create", "POST", ["admin"])
}

test_nobody_else_creates_keys if {
	authz.decision == _denied with input as _asking("keys.create", "POST", [
		"approver",
		"auditor",
		"gate",
		"operator",
		"policy-author",
		"requester",
	])
}

test_one_role_of_several_is_enough if {
	authz.decision == _allowed with input as _asking("waivers.sign", "POST", ["auditor", "approver"])
}

test_only_an_approver_signs if {
	authz.decision == _denied with input as _asking("waivers.sign", "POST", ["admin", "operator", "requester"])
}

test_an_admin_asks_for_no_waiver if {
	authz.decision == _denied with input as _asking("waivers.request", "POST", ["admin"])
}

test_gate_asks_and_reads_but_does_not_browse if {
	authz.decision == _allowed with input as _asking("decisions.decide", "POST", ["gate"])
	authz.decision == _allowed with input as _asking("decisions.read", "GET", ["gate"])
	authz.decision == _denied with input as _asking("decisions.list", "GET", ["gate"])
}

test_auditor_never_asks if {
	authz.decision == _denied with input as _asking("decisions.decide", "POST", ["auditor"])
	authz.decision == _denied with input as _asking("adapters.call", "POST", ["auditor"])
	authz.decision == _allowed with input as _asking("ledger.checkpoint", "GET", ["auditor"])
}

test_unknown_route_is_denied if {
	authz.decision == _denied with input as _asking("keys.steal", "POST", ["admin"])
}

test_unknown_role_is_denied if {
	authz.decision == _denied with input as _asking("policy.read", "GET", ["root"])
}

test_another_method_is_denied if {
	authz.decision == _denied with input as _asking("keys.create", "GET", ["admin"])
}

test_no_role_is_denied if {
	authz.decision == _denied with input as _asking("policy.read", "GET", [])
}

test_whatever_is_not_the_shape_is_denied if {
	every asking in [
		{},
		null,
		"admin",
		{"route": "keys.create", "method": "POST"},
		{"route": "keys.create", "roles": ["admin"]},
		{"method": "POST", "roles": ["admin"]},
		{"route": "keys.create", "method": "POST", "roles": "admin"},
		{"route": "keys.create", "method": "POST", "roles": {"admin": "admin"}},
		{"route": "keys.create", "method": "POST", "roles": [["admin"]]},
		{"route": ["keys.create"], "method": "POST", "roles": ["admin"]},
	] {
		authz.decision == _denied with input as asking
	}
}

test_without_any_input_is_denied if {
	authz.decision == _denied
}

test_an_auditor_judges_what_stands if {
	authz.decision == _allowed with input as _asking("audit.read", "GET", ["auditor"])
	authz.decision == _denied with input as _asking("audit.read", "GET", ["gate"])
	authz.decision == _denied with input as _asking("audit.read", "GET", ["requester"])
}
