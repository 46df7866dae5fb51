# lib.sh - what the command's tests share. A test is called with the command and the build folder.
vmaccel=$1
export LC_ALL=C
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

ok() {
	passed=$((passed + 1))
}

not_ok() {
	failed=$((failed + 1))
	echo "FAILED: $*"
	for f in out err; do
		[ ! -s "$work/$f" ] || sed "s/^/  $f: /" "$work/$f" | head -n 40
	done
}

# run ARGUMENT...: sets status; output in $work/out and $work/err. Nothing here takes longer than 60 s.
run() {
	status=0
	if [ "$1" = run ]; then # the guests here are x86's, whatever the host
		shift
		set -- run --arch x86-64 "$@"
	fi
	timeout 60 "$vmaccel" "$@" </dev/null >"$work/out" 2>"$work/err" || status=$?
	case $vmaccel in
	*.exe) sed -i 's/\r$//' "$work/out" "$work/err" ;; # lines end as Windows' do
	esac
}

# expect STATUS REGULAR-EXPRESSION ARGUMENT...: the status, and something said on stderr (or nothing, for an empty expression)
expect() {
	want=$1 regex=$2
	shift 2
	run "$@"
	if [ "$status" != "$want" ]; then
		not_ok "status $status, not $want: vmaccel $*"
	elif [ -n "$regex" ] && ! grep -Eiq -e "$regex" "$work/err"; then
		not_ok "nothing like '$regex' on stderr: vmaccel $*"
	elif [ -z "$regex" ] && [ -s "$work/err" ]; then
		not_ok "something on stderr: vmaccel $*"
	else
		ok
	fi
}

# refuse REGULAR-EXPRESSION ARGUMENT...: status 127, and one line on stderr that names the culprit
refuse() {
	regex=$1
	shift
	expect 127 "$regex" "$@"
	[ "$(wc -l <"$work/err")" = 1 ] && ok || not_ok "not one line on stderr: vmaccel $*"
}

# flat FILE OCTAL...: a flat binary
flat() {
	file=$1
	shift
	# shellcheck disable=SC2059
	printf "$*" >"$file"
}

summary() {
	echo "$passed passed, $failed failed, 0 skipped"
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}
