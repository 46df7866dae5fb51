# compare.awk - soft's lines against what the program and wants.txt want, and each other engine's against soft's; differences.txt explains.
# Ends with "N passed, N failed, N skipped": a line of soft is one, and each comparison of it.

# A shell pattern (only * and ?) as a regular expression.
function pattern(glob) {
	gsub(/\./, "\\.", glob)
	gsub(/\*/, ".*", glob)
	gsub(/\?/, ".", glob)
	return "^" glob "$"
}

function read_table(   line, f) {
	while ((getline line < table) > 0) {
		if (line ~ /^ *(#|$)/)
			continue
		split(line, f, " ")
		rows++
		row_name[rows] = pattern(f[1])
		row_engine[rows] = f[2]
		row_kind[rows] = f[3]
		row_text[rows] = substr(line, index(line, " " f[3] " ") + length(f[3]) + 2)
	}
}

# NAME: TEXT, what soft must print
function read_wants(   line, at) {
	while ((getline line < wants_file) > 0) {
		at = index(line, ": ")
		if (line !~ /^ *(#|$)/ && at)
			wants[substr(line, 1, at - 1)] = substr(line, at + 2)
	}
}

# Lines of one name are joined in their order.
function read_lines(engine, into, order,   line, name, at, n) {
	n = 0
	while ((getline line < (work "/lines." engine)) > 0) {
		at = index(line, ": ")
		name = substr(line, 1, at - 1)
		if (name in into)
			into[name] = into[name] " | " substr(line, at + 2)
		else {
			into[name] = substr(line, at + 2)
			order[++n] = name
		}
	}
	return n
}

function find_row(name, engine, kind,   i) {
	for (i = 1; i <= rows; i++)
		if ((row_engine[i] == engine || row_engine[i] == "*") && name ~ row_name[i] && (kind == "absent") == (row_kind[i] == "absent"))
			return i
	return 0
}

function fail(text) {
	print "FAILED: " text
	failed++
}

function compare(engine,   theirs, order, skips, n, i, name, row) {
	n = read_lines(engine, theirs, order)
	skips = ""
	for (i = 1; i <= n; i++)
		if (theirs[order[i]] ~ /^skip: / && order[i] ~ /\*/)
			skips = skips "|" pattern(order[i])
	skips = substr(skips, 2)
	for (i = 1; i <= count; i++) {
		name = names[i]
		if (name == "end" || soft[name] ~ /^skip: /)
			continue
		if (!(name in theirs)) {
			if (find_row(name, engine, "absent") || (skips && name ~ skips))
				skipped++
			else
				fail(name ": " engine " does not get there; soft: " soft[name])
		} else if (theirs[name] ~ /^skip: /) {
			skipped++
		} else if (theirs[name] == soft[name]) {
			passed++
		} else if ((row = find_row(name, engine, "differs"))) {
			print "known: " name ": soft " soft[name] ", " engine " " theirs[name] " - " row_kind[row] ": " row_text[row]
			passed++
		} else {
			fail(name ": soft " soft[name] ", " engine " " theirs[name])
		}
	}
}

BEGIN {
	read_table()
	read_wants()
	count = read_lines("soft", soft, names)
	for (i = 1; i <= count; i++) {
		if (soft[names[i]] ~ /\(want /)
			fail(names[i] ": soft " soft[names[i]])
		else if (names[i] in wants && soft[names[i]] != wants[names[i]])
			fail(names[i] ": soft " soft[names[i]] " (want " wants[names[i]] ")")
		else if (soft[names[i]] ~ /^skip: /)
			skipped++
		else if (names[i] != "end")
			passed++
	}
	if (soft["end"] != "0")
		fail("soft ends early" ("fatal" in soft ? ": " soft["fatal"] : "") ", after " count " lines, the last of them " names[count])
	n = split(engines, list, " ")
	for (e = 1; e <= n; e++)
		compare(list[e])
	printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
	exit failed > 0
}
