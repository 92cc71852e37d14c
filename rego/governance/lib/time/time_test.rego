package governance.lib.time_test

import future.keywords.not

import data.governance.lib.time as clock

_day_ns := 86400000000000

test_the_instant_is_read_in_nanoseconds if {
	clock.ns("2000-01-01T00:00:00Z") == 946684800000000000
	clock.ns("2026-03-02T12:00:00Z") == 1772452800000000000
	clock.ns("2026-03-02T12:00:00.5Z") == 1772452800500000000
	clock.ns("2026-03-02T12:00:00.000001Z") == 1772452800000001000
	clock.ns("2026-03-02T12:00:00.000000001Z") == 1772452800000000001
	clock.ns("2099-12-31T23:59:59.999999999Z") == 4102444799999999999
}

# The parser of OPA raises an error on a day that does not exist, and one error denies everything for everybody: so the
# calendar of the whole century is read, day by day, and the days between are refused.
test_every_day_of_the_century_is_read if {
	days := [day |
		some year in numbers.range(0, 99)
		some month in numbers.range(1, 12)
		some number in numbers.range(1, _length(year, month))
		day := clock.ns(sprintf("20%02d-%02d-%02dT00:00:00Z", [year, month, number]))
	]
	days == [day | some n in numbers.range(0, 36524); day := 946684800000000000 + (n * _day_ns)]
}

test_no_other_day_is_read if {
	count([day |
		some year in numbers.range(0, 99)
		some month in numbers.range(0, 13)
		some number in numbers.range(0, 32)
		number > _length(year, month)
		day := clock.ns(sprintf("20%02d-%02d-%02dT00:00:00Z", [year, month, number]))
	]) == 0
	count([day |
		some year in numbers.range(0, 99)
		some month in [0, 13, 19, 20, 99]
		day := clock.ns(sprintf("20%02d-%02d-01T00:00:00Z", [year, month]))
	]) == 0
	count([day | some year in numbers.range(0, 99); day := clock.ns(sprintf("20%02d-01-00T00:00:00Z", [year]))]) == 0
}

default _length(_, _) := 0

_length(_, month) := 31 if month in {1, 3, 5, 7, 8, 10, 12}

_length(_, month) := 30 if month in {4, 6, 9, 11}

_length(year, 2) := 29 if year % 4 == 0

_length(year, 2) := 28 if year % 4 != 0

test_every_second_of_a_day_is_read_and_no_other if {
	every hour in numbers.range(0, 23) {
		clock.ns(sprintf("2026-03-02T%02d:00:00Z", [hour])) == 1772409600000000000 + (hour * 3600000000000)
	}
	every part in numbers.range(0, 59) {
		clock.ns(sprintf("2026-03-02T00:%02d:00Z", [part])) == 1772409600000000000 + (part * 60000000000)
		clock.ns(sprintf("2026-03-02T00:00:%02dZ", [part])) == 1772409600000000000 + (part * 1000000000)
	}
	every part in numbers.range(60, 99) {
		not clock.ns(sprintf("2026-03-02T00:%02d:00Z", [part]))
		not clock.ns(sprintf("2026-03-02T00:00:%02dZ", [part]))
	}
	every hour in numbers.range(24, 99) {
		not clock.ns(sprintf("2026-03-02T%02d:00:00Z", [hour]))
	}
}

test_leap_days_exist_only_in_leap_years if {
	clock.ns("2000-02-29T00:00:00Z")
	clock.ns("2024-02-29T23:59:59Z")
	clock.ns("2096-02-29T00:00:00Z")
	not clock.ns("2026-02-29T00:00:00Z")
	not clock.ns("2098-02-29T00:00:00Z")
	not clock.ns("2024-02-30T00:00:00Z")
}

# Whatever is not exactly this form is undefined, in strict mode too: no error, no guess.
test_other_forms_are_undefined if {
	every text in [
		"",
		" ",
		"now",
		"2026",
		"2026-03-02",
		"2026-03-02T12:00Z",
		"2026-03-02T12:00:00",
		"2026-03-02 12:00:00Z",
		"2026-03-02t12:00:00Z",
		"2026-03-02T12:00:00z",
		"2026-03-02T12:00:00+00:00",
		"2026-03-02T12:00:00+01:00",
		"2026-03-02T12:00:00-00:00",
		"2026-03-02T24:00:00Z",
		"2026-03-02T25:00:00Z",
		"2026-03-02T12:60:00Z",
		"2026-03-02T12:00:60Z",
		"2026-03-02T12:00:00.Z",
		"2026-03-02T12:00:00,5Z",
		"2026-03-02T12:00:00.0000000001Z",
		"2026-3-2T12:00:00Z",
		"26-03-02T12:00:00Z",
		"02026-03-02T12:00:00Z",
		"-2026-03-02T12:00:00Z",
		" 2026-03-02T12:00:00Z",
		"2026-03-02T12:00:00Z ",
		"2026-03-02T12:00:00Z\n",
		"2026-03-02T12:00:00ZZ",
		"x2026-03-02T12:00:00Z",
		"２０２６-03-02T12:00:00Z",
		"2026-W10-1T12:00:00Z",
	] {
		not clock.ns(text)
	}
}

# "For ever" does not exist: such a date would never go stale, and beyond 2262 the parser raises an error.
test_dates_outside_this_century_are_undefined if {
	every text in [
		"0001-01-01T00:00:00Z",
		"1970-01-01T00:00:00Z",
		"1999-12-31T23:59:59Z",
		"2100-01-01T00:00:00Z",
		"2200-01-01T00:00:00Z",
		"2262-04-12T00:00:00Z",
		"2300-01-01T00:00:00Z",
		"9999-12-31T23:59:59Z",
	] {
		not clock.ns(text)
	}
}

test_what_is_not_text_is_undefined if {
	every value in [null, true, false, 0, 1772452800, 1.5, [], ["2026-03-02T12:00:00Z"], {}, {"ns": 1}, set()] {
		not clock.ns(value)
	}
}

_from := "2026-03-02T12:00:00Z"

_until := "2026-03-03T12:00:00Z"

test_an_interval_holds_its_start_and_not_its_end if {
	clock.within(clock.ns(_from), _from, _until)
	clock.within(clock.ns(_until) - 1, _from, _until)
	not clock.within(clock.ns(_from) - 1, _from, _until)
	not clock.within(clock.ns(_until), _from, _until)
	not clock.within(clock.ns(_until) + 1, _from, _until)
}

test_an_interval_without_length_or_backwards_holds_nothing if {
	not clock.within(clock.ns(_from), _from, _from)
	every instant in [clock.ns(_from), clock.ns(_until), clock.ns(_from) + 1] {
		not clock.within(instant, _until, _from)
	}
}

test_an_interval_with_a_broken_end_holds_nothing if {
	every broken in [null, "", "9999-01-01T00:00:00Z", "2026-02-30T00:00:00Z", 0, 4102444799999999999, [], {}] {
		not clock.within(clock.ns(_from), broken, _until)
		not clock.within(clock.ns(_from), _from, broken)
	}
}

# Rego orders values of different types: raw, `null <= 5` and `"1" >= 5` are true.
test_only_a_number_is_an_instant if {
	every instant in [null, true, "1772452800000000000", "2026-03-02T12:00:00Z", [], {}] {
		not clock.within(instant, _from, _until)
	}
}

test_what_is_later_than_the_clock_is_ahead if {
	clock.ahead("2026-03-02T12:00:00.000001Z") with input.context.now as "2026-03-02T12:00:00Z"
	clock.ahead("2099-12-31T23:59:59Z") with input.context.now as "2026-03-02T12:00:00.000000Z"
}

# Intervals are half-open: what is up at this very instant is over.
test_this_instant_is_not_ahead if {
	every up in ["2026-03-02T12:00:00Z", "2026-03-02T12:00:00.000Z", "2026-03-02T11:59:59.999999Z", "2000-01-01T00:00:00Z"] {
		not clock.ahead(up) with input.context.now as "2026-03-02T12:00:00Z"
	}
}

test_what_is_no_time_is_never_ahead if {
	every value in [null, 5, true, "", "9999-12-31T00:00:00Z", "2027-01-01", "later", [], {}] {
		not clock.ahead(value) with input.context.now as "2026-03-02T12:00:00Z"
		not clock.ahead("2027-01-01T00:00:00Z") with input.context.now as value
	}
	not clock.ahead("2027-01-01T00:00:00Z") with input as {}
}
