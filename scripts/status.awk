# One row of docs/status.md from the lines of `vmaccel check`.
BEGIN {
	split("8 19 48 60 79 83 95 99 106 114 121 123 125", last, " ")
}
/^T[0-9]+ / {
	number = substr($1, 2) + 0
	for (group = 1; group in last && number > last[group] + 0; group++)
		;
	if ($0 ~ /: pass$/)
		pass[group]++
	else if ($0 ~ /: known difference: /)
		known[group]++
	else if ($0 ~ /: FAIL: /)
		failed[group]++
	else
		other[group]++
}
END {
	printf "| %s | %s | %s |", accel, guest, where
	for (group = 1; group in last; group++)
		printf " %d / %d / %d%s |", pass[group], known[group], other[group], failed[group] ? sprintf(" (%d FAILED)", failed[group]) : ""
	printf "\n"
}
