#!/bin/sh
# run.sh VMACCEL-A64DIFF NATIVE-PROGRAM [option...]: the differential against QEMU's user mode; 77: something is missing.
set -eu
diff=$1 native=$2
shift 2
[ -x "$native" ] && command -v qemu-aarch64-static >/dev/null || { echo "skipped: no aarch64-linux-gnu-gcc or qemu-aarch64-static: scripts/deps arm64"; exit 77; }
exec "$diff" "$@" qemu-aarch64-static -cpu max "$native"
