#!/bin/sh
# demo.sh SOURCE-FOLDER BUILD-FOLDER ACCELERATOR: the demo on one accelerator, and that it says so. 77: no guest was fetched.
set -eu
cd "$1"
[ -f "${VMA_GUEST:-build/guest}/vmlinuz" ] || { echo "no guest: scripts/deps guest"; exit 77; }
out=$(VMA_BUILD=$2 scripts/demo --accel "$3")
echo "$out"
echo "$out" | tail -n 1 | grep -Eq "^demo: Linux [0-9][^ ]* reached /init on $3 in [0-9]+ ms$"
