#!/bin/sh
# test_report.sh - a report says what was found, is replayed on the simulated platform to the same results, and what is no report is refused.
# test-labels: release
set -u
. "$(dirname "$0")/lib.sh"
command=$vmaccel
has() { # has REGULAR-EXPRESSION FILE
	grep -Eq -e "$1" "$2" && ok || not_ok "no '$1' in $(basename "$2")"
}

# T020 is x86's, whatever the host
run check --arch x86-64 --report "$work/report" --accel soft --only 20
[ "$status" = 0 ] && ok || not_ok "status $status of a report"
has '"format":[[:space:]]*"vmaccel report"' "$work/report"
has '"cpu":[[:space:]]*"' "$work/report"
has '"check":[[:space:]]*"T020"' "$work/report"
has '"result":[[:space:]]*"pass"' "$work/report"
has '"name":[[:space:]]*"exit"' "$work/report"
expect 127 'nonexistent' check --report "$work/nonexistent/report" --accel soft --only 20
refuse 'nonexistent' check --replay "$work/nonexistent"
refuse 'not JSON' check --replay /dev/null
echo '{"format": "vmaccel report", "version": 1, "platforms": []}' >"$work/empty"
refuse 'nothing of whpx' check --replay "$work/empty"

# the command of the same build folder that has the simulation
sim=$2/vmaccel-sim
[ -x "$sim" ] || { summary; exit; }
vmaccel=$sim
# recorded CONFIGURATION CHECK: a report of the simulation as such a Windows, and its replay
recorded() {
	VMA_WHPX_SIM=$1 "$sim" check --report "$work/windows" --accel whpx --only "$2" >/dev/null 2>&1
	run check --replay "$work/windows" --only "$2"
}
replays() {
	recorded "$@"
	[ "$status" = 0 ] && ok || not_ok "status $status of the replay of $1, T$2"
	has '^1 results as in the report, 0 others' "$work/out"
}
replays 2004 20
replays 2004,no-dirty 56
has 'T056 .*: skip' "$work/out"
replays 11,gpa36,no-lapic 20
# what the probe found to be otherwise is so in the replay
replays 2004,halt-at,no-remap,context-1803,call-unseen 42
has '"trial.halt":[[:space:]]*"otherwise: RIP is at the HLT"' "$work/windows"
has '"trial.cancel":[[:space:]]*"as believed: ' "$work/windows"
has '"trial.call":[[:space:]]*"otherwise: ' "$work/windows"
has '"trial.remap":[[:space:]]*"0x80070057"' "$work/windows"
has '"feature-off.0x00001001.0":[[:space:]]*"0x00000000"' "$work/windows"
has '"register-set.0x00000000":[[:space:]]*"0x00000000"' "$work/windows"
# a Windows that is too old, one without the feature, one that denies access: as it was there, and why
for row in "1809;older than Windows 10" "disabled;does not run" "2004,denied;access denied" "absent;no WinHvPlatform"; do
	VMA_WHPX_SIM=${row%;*} "$sim" check --report "$work/windows" --only 20 >/dev/null 2>&1
	expect 126 "${row#*;}" check --replay "$work/windows"
done
# a result that was another there is told
recorded 2004 20
sed 's/"result":\([[:space:]]*\)"pass"/"result":\1"fail"/' "$work/windows" >"$work/spoiled"
run check --replay "$work/spoiled" --only 20
[ "$status" = 1 ] && ok || not_ok "status $status of a replay that differs"
has '^T020: fail there, pass on the simulation' "$work/out"
# no simulation in the command that is shipped
vmaccel=$command
expect 126 'no simulation' check --replay "$work/windows"
summary
