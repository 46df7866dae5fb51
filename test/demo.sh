#!/bin/sh
# demo.sh SOURCE-FOLDER BUILD-FOLDER ACCELERATOR CPUS ARCHITECTURE [option of `vmaccel run`...]: the demo on one accelerator, that it says so, and that the guest has started
# all its processors. 77: no guest was fetched.
set -eu
cd "$1"
case $5 in
arm64) [ -f "${VMA_GUEST_ARM64:-build/guest-arm64}/vmlinuz" ] || { echo "no guest: scripts/deps arm64"; exit 77; } ;;
*) [ -f "${VMA_GUEST:-build/guest}/vmlinuz" ] || { echo "no guest: scripts/deps guest"; exit 77; } ;;
esac
build=$2 accel=$3 cpus=$4 arch=$5
shift 5
out=$(VMA_BUILD=$build scripts/demo --accel "$accel" --cpus "$cpus" --arch "$arch" "$@")
echo "$out"
echo "$out" | tail -n 1 | grep -Eq "^demo: Linux [0-9][^ ]* reached /init on $accel in [0-9]+ ms$"
echo "$out" | tr -d '\r' | grep -Eq "^cpu: .* x $cpus$"
