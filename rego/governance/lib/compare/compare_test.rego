package governance.lib.compare_test

import future.keywords.not

import data.governance.lib.compare

_no_numbers := [null, true, false, "", "0.9", "1", [], [1], {}, {"n": 1}, set()]

_no_lists := [null, true, 1, "", "right", {}, {"0": "right"}, {"right"}, set()]

test_at_least_compares_numbers if {
	compare.at_least(0.8, 0.8)
	compare.at_least(1, 0.8)
	compare.at_least(0, -1)
	not compare.at_least(0.79, 0.8)
	not compare.at_least(-1, 0)
}

test_at_most_compares_numbers if {
	compare.at_most(0.2, 0.2)
	compare.at_most(0, 0.2)
	not compare.at_most(0.21, 0.2)
	not compare.at_most(0, -1)
}

test_a_percentage_is_counted_exactly if {
	compare.percent_at_least(19, 20, 95)
	compare.percent_at_least(20, 20, 100)
	compare.percent_at_least(0, 20, 0)
	compare.percent_at_least(0.3, 1, 30)
	not compare.percent_at_least(18, 20, 95)
	not compare.percent_at_least(18.999, 20, 95)
	not compare.percent_at_least(20, 20, 100.001)
}

test_more_than_the_whole_or_less_than_nothing_is_no_part if {
	not compare.percent_at_least(21, 20, 95)
	not compare.percent_at_least(-1, 20, 0)
	not compare.percent_at_least(-1, -1, 95)
	not compare.percent_at_least(0, 0, 0)
	not compare.percent_at_least(0, 0, 95)
}

test_only_numbers_have_a_percentage if {
	every other in _no_numbers {
		not compare.percent_at_least(other, 20, 95)
		not compare.percent_at_least(20, other, 95)
		not compare.percent_at_least(20, 20, other)
		not compare.percent_at_least(other, other, other)
	}
	not compare.percent_at_least({}.absent, 20, 95)
	not compare.percent_at_least(20, {}.absent, 95)
	not compare.percent_at_least(20, 20, {}.absent)
}

_digest := "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

test_the_same_digest_is_one if {
	compare.same_digest(_digest, _digest)
	not compare.same_digest(_digest, replace(_digest, "a", "b"))
	not compare.same_digest(_digest, upper(_digest))
	not compare.same_digest(_digest, {}.absent)
	not compare.same_digest({}.absent, _digest)
}

test_what_is_no_digest_is_never_the_same if {
	strays := ["unknown", "latest", "", "sha256:", "sha256:aa", concat("", [_digest, "a"]), concat("", [_digest, "\n"]), upper(_digest)]
	every other in array.concat(strays, _no_numbers) {
		not compare.same_digest(other, other)
		not compare.same_digest(_digest, other)
		not compare.same_digest(other, _digest)
	}
}

# Raw, `"0.1" >= 0.8`, `{} >= 0.8`, `[] > 100`, `null <= 0.2` and `true < 0.2` are all true.
test_raw_comparisons_across_types_allow if {
	object.get({"v": "0.1"}, "v", 0) >= 0.8
	object.get({"v": {}}, "v", 0) >= 0.8
	object.get({"v": []}, "v", 0) > 100
	object.get({"v": null}, "v", 0) <= 0.2
	object.get({"v": true}, "v", 0) < 0.2
}

test_nothing_but_numbers_is_ever_enough if {
	every other in _no_numbers {
		not compare.at_least(other, 0.8)
		not compare.at_least(1, other)
		not compare.at_least(other, other)
		not compare.at_most(other, 0.2)
		not compare.at_most(0, other)
		not compare.at_most(other, other)
	}
}

test_undefined_is_never_enough if {
	not compare.at_least({}.absent, 0)
	not compare.at_most({}.absent, 1000)
	not compare.at_most(0, {}.absent)
	not compare.all_in({}.absent, ["right"])
	not compare.all_in(["right"], {}.absent)
	not compare.none({}.absent)
	not compare.all_under({}.absent, ["right"])
	not compare.all_under(["right"], {}.absent)
}

test_all_in_wants_each_element_listed if {
	compare.all_in(["right"], ["right"])
	compare.all_in(["right", "right"], ["right", "left"])
	compare.all_in(["left", "right"], ["right", "left"])
	not compare.all_in(["wrong"], ["right"])
	not compare.all_in(["right", "wrong"], ["right"])
	not compare.all_in(["wrong", "right"], ["right"])
	not compare.all_in(["right"], [])
}

# A bare `every` is true of an empty list.
test_all_in_proves_nothing_of_an_empty_list if {
	not compare.all_in([], ["right"])
	not compare.all_in([], [])
}

# `null in [null]` is true: a value that nobody gave would be in a list that nobody filled in.
test_all_in_takes_only_text if {
	every value in [null, true, 1, [], {}, ["right"]] {
		not compare.all_in([value], [value])
		not compare.all_in(["right", value], ["right", value])
	}
}

test_all_in_takes_only_arrays if {
	every other in _no_lists {
		not compare.all_in(other, ["right"])
		not compare.all_in(["right"], other)
	}
}

test_all_in_compares_whole_elements_exactly if {
	every near in ["Right", "right ", " right", "righ", "rights", "right\n", "RIGHT", ""] {
		not compare.all_in([near], ["right"])
	}
}

test_none_is_true_of_the_empty_array_only if {
	compare.none([])
	every other in [null, true, false, 0, "", {}, set(), [null], [[]], [""], ["x"]] {
		not compare.none(other)
	}
}

test_all_under_goes_by_whole_segments if {
	compare.all_under(["ghcr.io/team"], ["ghcr.io/team"])
	compare.all_under(["ghcr.io/team"], ["ghcr.io"])
	compare.all_under(["ghcr.io/team/a", "docker.io/kserve"], ["ghcr.io", "docker.io/kserve"])
	not compare.all_under(["ghcr.io/team"], ["ghcr.io/te"])
	not compare.all_under(["ghcr.io.evil.example/team"], ["ghcr.io"])
	not compare.all_under(["ghcr.io"], ["ghcr.io/team"])
	not compare.all_under(["evil.example/ghcr.io/team"], ["ghcr.io"])
}

test_all_under_wants_each_path_below_a_root if {
	not compare.all_under(["ghcr.io/team", "evil.example/x"], ["ghcr.io"])
	not compare.all_under(["evil.example/x", "ghcr.io/team"], ["ghcr.io"])
	not compare.all_under([], ["ghcr.io"])
	not compare.all_under(["ghcr.io"], [])
}

# An empty root would be a prefix of everything.
test_all_under_has_no_root_of_everything if {
	not compare.all_under(["ghcr.io"], [""])
	not compare.all_under([""], [""])
	not compare.all_under(["/"], [""])
	not compare.all_under(["ghcr.io"], ["/"])
}

test_all_under_takes_only_text if {
	every value in [null, true, 1, [], {}, ["ghcr.io"]] {
		not compare.all_under([value], ["ghcr.io"])
		not compare.all_under([value], [value])
		not compare.all_under(["ghcr.io"], [value])
		not compare.all_under(["ghcr.io", value], ["ghcr.io"])
		compare.all_under(["ghcr.io"], [value, "ghcr.io"])
	}
}

test_all_under_takes_only_arrays if {
	every other in _no_lists {
		not compare.all_under(other, ["right"])
		not compare.all_under(["right"], other)
	}
}
