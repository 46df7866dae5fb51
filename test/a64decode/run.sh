#!/bin/sh
# run.sh VMACCEL-A64DECODE EXPECTED [--all]: the decoder against binutils; 77: something is missing. --all takes two hours.
set -eu
objdump=$(command -v aarch64-linux-gnu-objdump) || { echo "skipped: no aarch64-linux-gnu-objdump: scripts/deps arm64"; exit 77; }
exec "$1" ${3:+"$3"} "$objdump" "$2"
