#!/bin/sh
# selftest.sh COPY-OF-THE-PROGRAM RUN...: vmaccel-selftest, alone in a folder of its own and without arguments, says what it finds and leaves a
# report beside itself that has the suite's results. RUN is what starts it (an emulator), if anything has to.
set -eu
program=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$program" "$work"
status=0
(cd "$work" && "$@" "$work/$(basename "$program")" </dev/null >"$work/out" 2>"$work/err") || status=$?
cat "$work/err"
tr -d '\r' <"$work/out" | grep -E ': FAIL|passed,|report is in' || true
report=$work/vmaccel-report.json
[ "$status" = 0 ] || { echo "it ended with $status"; exit 1; }
[ -f "$report" ] || { echo "no report beside it"; exit 1; }
for what in '"format":.*"vmaccel report"' '"accel":.*"soft"' '"check":.*"T107"' '"totals":' '"name":.*"exit"' ${VMA_SELFTEST_FACTS:-}; do
	grep -Eq -e "$what" "$report" || { echo "no $what in the report"; exit 1; }
done
! grep -q '"result":.*"fail"' "$report"
