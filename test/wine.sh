#!/bin/sh
# wine.sh begin|end SOURCE-FOLDER BUILD-FOLDER PROGRAM: keep Wine's server for the tests, and end it after them. A program has to start in
# less than 0.1 s beside it: the best of twenty, and longer by what else waits for a processor.
set -eu
wine() {
	"$source/scripts/wine" "$build/wine" "$@"
}
step=$1 source=$2 build=$3 program=$4
wine -k || true # what an interrupted run has left
[ "$step" = begin ] || exit 0
wine -p </dev/null >/dev/null 2>&1
best=999999
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	before=$(date +%s%N)
	wine "$program" </dev/null >/dev/null 2>&1 # also for the services that the first one starts, and that stay
	us=$((($(date +%s%N) - before) / 1000))
	[ "$us" -ge "$best" ] || best=$us
done
limit=$(awk -v processors="$(nproc)" '{ load = $1 / processors; print int(100000 * (load > 1 ? load : 1)) }' /proc/loadavg)
echo "a program starts in $((best / 1000)) ms, of $((limit / 1000))"
[ "$best" -lt "$limit" ]
