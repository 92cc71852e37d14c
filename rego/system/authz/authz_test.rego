package system.authz_test

import data.system.authz

_query(path) := {"method": "POST", "path": path, "params": {"strict-builtin-errors": ["true"]}}

_decision := ["v1", "data", "governance", "main", "decision"]

test_the_two_queries_pass if {
	authz.allow with input as _query(_decision)
	authz.allow with input as _query(["v1", "data", "authz", "decision"])
}

test_health_and_status_pass if {
	authz.allow with input as {"method": "GET", "path": ["health"], "params": {}}
	authz.allow with input as {"method": "GET", "path": ["v1", "status"], "params": {}}
}

test_other_paths_are_denied if {
	every path in [
		[],
		["v1"],
		["v1", "data"],
		["v1", "data", "governance"],
		["v1", "data", "governance", "main"],
		["v1", "data", "governance", "main", "decision", "outcome"],
		["v1", "data", "governance/main/decision"],
		["v0", "data", "governance", "main", "decision"],
		["v1", "query"],
		["v1", "compile"],
		["v1", "policies", "x"],
		["v1", "config"],
		["metrics"],
	] {
		not authz.allow with input as _query(path)
	}
}

test_other_methods_are_denied if {
	every method in ["GET", "PUT", "PATCH", "DELETE", "HEAD", "post", ""] {
		not authz.allow with input as object.union(_query(_decision), {"method": method})
	}
}

test_other_parameters_are_denied if {
	every params in [
		{},
		{"strict-builtin-errors": [""]},
		{"strict-builtin-errors": ["false"]},
		{"strict-builtin-errors": ["true", "true"]},
		{"strict-builtin-errors": ["true"], "explain": ["full"]},
		{"strict-builtin-errors": ["true"], "metrics": ["true"]},
		null,
	] {
		not authz.allow with input as {"method": "POST", "path": _decision, "params": params}
	}
}

test_health_with_parameters_is_denied if {
	not authz.allow with input as {"method": "GET", "path": ["health"], "params": {"bundles": [""]}}
}

test_whatever_is_not_the_shape_is_denied if {
	every asked in [{}, null, "POST", {"method": "POST"}, {"path": _decision}] {
		not authz.allow with input as asked
	}
}

test_without_any_input_is_denied if {
	not authz.allow
}
