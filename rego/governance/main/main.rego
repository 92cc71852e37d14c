# METADATA
# title: Decision
# description: >-
#   The entrypoint. Takes the rules for stage, subject kind and operation by direct look-up, enumerates the places of
#   each, and turns every place that is neither proven compliant nor proven exempt into a finding.
# entrypoint: true
package governance.main

import future.keywords.not

import data.governance.index
import data.governance.lib.approvals
import data.governance.lib.evidence
import data.governance.lib.people
import data.governance.lib.places
import data.governance.lib.tiers
import data.governance.lib.time as clock
import data.governance.lib.waivers
import data.governance.main.dispatch

# METADATA
# description: The verdict. Total - any input, even none, yields an outcome with at least one line that explains it.
decision := {
	"outcome": _outcome,
	"tier": tiers.assessment,
	"findings": [finding | some finding in _findings],
	"rules": _counts,
	"problems": [problem | some problem in _problems],
	"policy": {"revision": _revision},
}

default _revision := ""

_revision := index.revision

default _outcome := "error"

_outcome := "deny" if {
	_sound
	"deny" in _effects
} else := "require_approval" if {
	_sound
	"ask" in _effects
} else := "allow" if {
	_sound
	count(_effects - {"waived", "approved", "warn", "dryrun"}) == 0
}

_effects := {finding.effect | some finding in _findings}

# Nothing is sound unless all the work that the index demands was done and nothing was lost on the way.
_sound if {
	count(_problems) == 0
	count(_codes) > 0
	count(_counts) == count(_codes)
	_worked
	count(_findings) == _expected
}

_expected := sum([_unproven(counted) | some counted in _counts])

_unproven(counted) := (counted.places - counted.compliant) - counted.exempt

# --- What is asked -------------------------------------------------------------------------------------------------

default _selection := {"codes": [], "needs": [], "scopes": [], "names": []}

_selection := index.select[input.stage][input.subject.kind][input.operation]

_codes := {code | some code in _selection.codes}

default _facts := {}

_facts := input.facts if is_object(input.facts)

default _parts := {}

_parts := input.subject.parts if is_object(input.subject.parts)

_now := clock.ns(input.context.now)

_effective_at := clock.ns(input.context.effective_at)

default _actions := {}

_actions := index.actions.tables[index.actions.by[tiers.assessment.value][input.environment][input.point]]

# --- Places and evidence -------------------------------------------------------------------------------------------

_items[scope] := places.items(index.scopes[scope], _facts) if some scope in _selection.scopes

_list_gaps[scope] := places.gaps(index.scopes[scope], _facts, _parts, _now) if some scope in _selection.scopes

_about("item", path, item) := places.about(path, item, _facts)

_about("subject", _, _) := input.subject.digest

_about("purpose", _, _) := input.purpose

_about("actor", _, _) := input.actor.id

_keys[scope] := object.keys(_items[scope]) if some scope in _selection.scopes

# The places where a need is not proven: all but those where it is.
_weak[id] := _keys[need.scope] - {path |
	some path, item in _items[need.scope]
	evidence.proven(need, item, _about(need.about, path, item), _now)
} if {
	some id in _selection.needs
	need := index.needs[id]
}

# The identity of every place, where it has one. A place without one could be neither waived nor named in a message,
# so it proves nothing.
_names[id] := {path: identity |
	some path, _ in _items[index.names[id].scope]
	identity := places.identity(path, index.names[id].fields, _facts)
} if {
	some id in _selection.names
}

_named[id] := object.keys(_names[id]) if some id in _selection.names

_sure_needs := {id | some id, paths in _weak; count(paths) == 0}

_doubtful_scopes := {scope | some scope, gaps in _list_gaps; count(gaps) > 0}

_empty_lists[scope] := places.empties(index.scopes[scope], _facts) if some scope in _selection.scopes

# --- Judging -------------------------------------------------------------------------------------------------------

# Rules with nothing in doubt: their places are what the sets prove. This is the common case, so it costs little.
_plain contains code if {
	count(_doubtful_scopes) == 0
	some code in _codes
	rule := index.rules[code]
	rule.request == {}
	count(_empty_lists[rule.scope]) == 0
	is_array(rule.needs)
	count({entry.need | some entry in rule.needs} - _sure_needs) == 0
}

_judged[code] := {"keys": keys, "pass": pass, "exempt": exempt, "blocked": set(), "lists": {}} if {
	some code in _plain
	rule := index.rules[code]
	keys := _keys[rule.scope]
	pass := (_compliant[code] & keys) & _named[rule.names]
	exempt := ((_exempt[code] & keys) & _named[rule.names]) - pass
}

# A hard gap blocks pass and exemption; a soft one (`unless_exempt`) blocks only the pass.
_judged[code] := {"keys": keys, "pass": pass, "exempt": exempt, "blocked": (hard | soft), "lists": lists} if {
	some code in (_codes - _plain)
	rule := index.rules[code]
	is_array(rule.needs)
	is_object(rule.request)
	all_keys := _keys[rule.scope]
	lists := _bad_lists(rule)
	keys := {path | count(lists) == 0; some path in all_keys}
	hard := {path | count(_request_gaps(rule)) > 0; some path in keys} | _blocked(rule, keys, false)
	soft := _blocked(rule, keys, true)
	pass := (((_compliant[code] & keys) & _named[rule.names]) - hard) - soft
	exempt := (((_exempt[code] & keys) & _named[rule.names]) - hard) - pass
}

_compliant[code] := dispatch.compliant[code] if {
	some code in _codes
	is_set(dispatch.compliant[code])
}

_exempt[code] := dispatch.exempt[code] if {
	some code in _codes
	is_set(dispatch.exempt[code])
}

# One entry for each list that can't be used, so that a list that is both empty and incomplete is one place.
_bad_lists(rule) := {at: {gap | some gap in gaps; gap.at == at} |
	gaps := _list_gaps[rule.scope] | {gap | not rule.may_be_empty == true; some gap in _empty_lists[rule.scope]}
	some at in {gap.at | some gap in gaps}
}

_blocked(rule, keys, soft) := union({_blocked_by(entry, keys) | some entry in rule.needs; _soft(entry) == soft})

default _soft(_) := false

_soft(entry) if entry.soft == true

# Which places of a rule one need leaves unproven. The last branch blocks everything: what can't be told is not proven.
_blocked_by(entry, keys) := set() if {
	count(_weak[entry.need]) == 0
	count(_list_gaps[index.needs[entry.need].scope]) == 0
} else := _weak[entry.need] if {
	entry.rel == "same"
} else := {path | some path in keys; array.slice(path, 0, entry.length) in _weak[entry.need]} if {
	entry.rel == "up"
} else := keys

_request_gaps(rule) := {{"at": [], "gap": "request", "field": field} |
	some field, type in rule.request
	not evidence.typed(input, field, type)
}

_counts[code] := {
	"places": count(judged.keys) + count(judged.lists),
	"compliant": count(judged.pass),
	"exempt": count(judged.exempt),
} if {
	some code, judged in _judged
}

_open[code] := paths if {
	some code, judged in _judged
	paths := (judged.keys - judged.pass) - judged.exempt
	count(paths) > 0
}

_raw contains {"rule": code, "at": at, "item": [], "status": "not_evaluable", "why": why} if {
	some code, judged in _judged
	some at, gaps in judged.lists
	why := [gap | some gap in gaps]
}

_raw contains {"rule": code, "at": path, "item": identity, "status": "fail", "why": []} if {
	some code, paths in _open
	some path in (paths - _judged[code].blocked)
	identity := _names[index.rules[code].names][path]
}

_raw contains {"rule": code, "at": path, "item": _item(rule, path), "status": "not_evaluable", "why": why} if {
	some code, paths in _open
	rule := index.rules[code]
	asked := _request_gaps(rule)
	some path in ((paths & _judged[code].blocked) | (paths - _named[rule.names]))
	known := union({_need_gaps(entry, path) | some entry in rule.needs})
	why := [gap | some gap in ((asked | known) | _identity_gaps(rule, path))]
}

default _item(_, _) := []

_item(rule, path) := _names[rule.names][path]

default _identity_gaps(_, _) := set()

_identity_gaps(rule, path) := {{"at": path, "gap": "unidentified"}} if not path in _named[rule.names]

default _need_gaps(_, _) := set()

_need_gaps(entry, path) := _gaps_at[entry.need][path] if entry.rel == "same"

_need_gaps(entry, path) := _gaps_at[entry.need][array.slice(path, 0, entry.length)] if entry.rel == "up"

_need_gaps(entry, _) := union({gaps | some gaps in _gaps_at[entry.need]}) | _list_gaps[index.needs[entry.need].scope] if {
	entry.rel == "all"
}

# Why a need is not proven at a place; looked at once, however many rules need it there.
_gaps_at[id] := {place: _gaps(index.needs[id], place) | some place in _weak[id]} if some id in _selection.needs

_gaps(need, place) := {object.union(gap, {"at": at}) |
	item := _items[need.scope][place]
	at := array.concat(place, _at(need.at))
	some gap in evidence.gaps(need, item, _about_or_null(need.about, place, item), _now_or_zero)
}

_at("") := []

_at(name) := [name] if name != ""

default _about_or_null(_, _, _) := null

_about_or_null(kind, path, item) := _about(kind, path, item)

default _now_or_zero := 0

_now_or_zero := _now

# --- Effects -------------------------------------------------------------------------------------------------------

_findings contains object.union(raw, _effect(raw)) if some raw in _raw

_effect(raw) := {"effect": "dryrun", "by": null} if {
	_actions[raw.rule] == "dryrun"
} else := {"effect": "warn", "by": null} if {
	raw.rule in _pending
} else := {"effect": "warn", "by": null} if {
	_actions[raw.rule] == "warn"
} else := {"effect": "waived", "by": min(_waivers(raw))} if {
	count(_waivers(raw)) > 0
} else := {"effect": "approved", "by": min(_approvals(raw))} if {
	count(_approvals(raw)) > 0
} else := {"effect": "ask", "by": null} if {
	raw.status == "fail"
	index.rules[raw.rule].approvable == true
} else := {"effect": "deny", "by": null}

_pending := {code | some code in _codes; _effective_at < clock.ns(index.rules[code].effective_on)}

_context := {
	"subject_digest": input.subject.digest,
	"environment": input.environment,
	"now": _now,
	"actor": input.actor.id,
}

# An exception names its item by identity, so it counts only where exactly one place carries that identity.
_single(raw) if count(_bearers[index.rules[raw.rule].names][raw.item]) == 1

_bearers[id][identity] contains path if {
	some id in _selection.names
	some path, identity in _names[id]
}

_waivers(raw) := {waiver.id |
	raw.status == "fail"
	input.waivers != []
	_single(raw)
	some waiver in input.waivers
	is_string(waiver.id)
	waivers.covers(waiver, raw, index.rules[raw.rule], _context)
}

_approvals(raw) := {approval.id |
	raw.status == "fail"
	input.approvals != []
	_single(raw)
	context := object.union(_context, {"case_digest": input.context.cases[raw.rule]})
	chain := index.chains[tiers.assessment.value][input.environment][raw.rule]
	some approval in input.approvals
	is_string(approval.id)
	approvals.covers(approval, raw, index.rules[raw.rule], chain, context)
}

# --- Problems ------------------------------------------------------------------------------------------------------

_problems contains {"code": "bad_schema", "detail": "input.schema is not proctor/input/v1"} if {
	not input.schema == "proctor/input/v1"
}

_problems contains {"code": "bad_clock", "detail": "context.now or context.effective_at is no timestamp"} if {
	not _clocked
}

_clocked if {
	is_number(_now)
	is_number(_effective_at)
}

_problems contains {"code": "bad_actor", "detail": "actor is neither a minted principal nor marked unresolved"} if {
	not _known_actor
}

_known_actor if people.principal(input.actor.id)

_known_actor if {
	input.actor.kind == "unresolved"
	is_string(input.actor.id)
	regex.match(`^unresolved:[a-z0-9-]{1,64}$`, input.actor.id)
}

_problems contains {"code": "bad_subject", "detail": "subject lacks its kind, digest or parts"} if {
	not _known_subject
}

_known_subject if {
	is_string(input.subject.kind)
	is_string(input.subject.digest)
	regex.match(`^sha256:[0-9a-f]{64}$`, input.subject.digest)
	is_object(input.subject.parts)
}

_problems contains {"code": "bad_facts", "detail": "facts is not an object"} if not is_object(input.facts)

_problems contains {"code": "bad_waivers", "detail": "waivers and approvals must be lists"} if not _listed

_listed if {
	is_array(input.waivers)
	is_array(input.approvals)
}

_problems contains {"code": "no_rules", "detail": "the index holds no rules"} if not _ruled

_ruled if {
	is_object(index.rules)
	count(index.rules) > 0
}

_problems contains {"code": "bad_index", "detail": "the index names a need or a scope that it does not describe"} if {
	is_number(_now)
	not _worked
}

_worked if {
	count(_weak) == count(_selection.needs)
	count(_list_gaps) == count(_selection.scopes)
}

_problems contains {"code": "unknown_stage", "detail": "no rule applies to this stage"} if {
	not index.select[input.stage]
}

_problems contains {"code": "unknown_operation", "detail": "no rule applies to this subject kind and operation"} if {
	index.select[input.stage]
	count(_codes) == 0
}

_problems contains {"code": "unknown_environment", "detail": "the configuration does not know this environment"} if {
	not index.actions.by[tiers.assessment.value][input.environment]
}

_problems contains {"code": "unknown_point", "detail": "the configuration does not know this point"} if {
	index.actions.by[tiers.assessment.value][input.environment]
	count(_actions) == 0
}

_problems contains {"code": "rule_broken", "detail": code} if {
	count(_judged) < count(_codes)
	some code in _codes
	not _judged[code]
}

_problems contains {"code": "bad_action", "detail": code} if {
	count(_actions) > 0
	count([code | some code in _codes; _actions[code] in {"deny", "warn", "dryrun"}]) < count(_codes)
	some code in _codes
	not _actions[code] in {"deny", "warn", "dryrun"}
}

_problems contains {"code": "too_many_places", "detail": scope} if {
	some scope, keys in _keys
	count(keys) > index.limits.places
}

_problems contains {"code": "finding_lost", "detail": "not every open place has a finding"} if {
	not count(_raw) == _expected
}
