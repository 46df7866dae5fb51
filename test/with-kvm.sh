#!/bin/sh
# with-kvm.sh COMMAND...: run it where /dev/kvm can be opened, else end with 77 (skipped).
if ! (exec 3<>/dev/kvm) 2>/dev/null; then
	echo "no usable /dev/kvm"
	exit 77
fi
exec "$@"
