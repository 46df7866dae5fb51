# awk -f count.awk CTEST-OUTPUT LASTTEST-LOG: prints "passed failed skipped". How a test ended stands in ctest's output (its log says
# "Passed" of a skipped one); what it counted itself stands in the log: cmocka's closing lines, or a line "N passed, N failed, N skipped".
# A test without counts is one; a test that ended badly is one failure at least.
FNR == NR {
	if (match($0, /^ *[0-9]+\/[0-9]+ +Test +#[0-9]+: /)) {
		name = substr($0, RSTART + RLENGTH)
		sub(/ .*/, "", name)
		if ($0 ~ /\*\*\*(Skipped|Not Run \(Disabled\))/)
			ended[name] = "skipped"
		else if ($0 ~ / Passed +[0-9.]+ sec/)
			ended[name] = "passed"
		else
			ended[name] = "failed"
	}
	next
}
/^[0-9]+\/[0-9]+ Test: / { name = $3; next }
/^\[  PASSED  \] [0-9]+ test\(s\)/ { p[name] += $4 }
/^\[  FAILED  \] [0-9]+ test\(s\)/ { f[name] += $4 }
/^\[  SKIPPED \] [0-9]+ test\(s\)/ { s[name] += $4 }
/^([a-z0-9_-]+: )?[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$/ {
	line = $0
	sub(/^[a-z0-9_-]+: /, "", line)
	split(line, n, /[^0-9]+/)
	p[name] += n[1]
	f[name] += n[2]
	s[name] += n[3]
}
END {
	for (name in ended) {
		if (ended[name] == "failed" && !f[name])
			f[name] = 1
		if (p[name] + f[name] + s[name] == 0) {
			if (ended[name] == "skipped")
				s[name] = 1
			else
				p[name] = 1
		}
		passed += p[name]
		failed += f[name]
		skipped += s[name]
	}
	print passed + 0, failed + 0, skipped + 0
}
