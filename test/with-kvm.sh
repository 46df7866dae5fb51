#!/bin/sh
# with-kvm.sh COMMAND...: run it where /dev/kvm can be opened, else end with 77 (skipped).
# Opening a name that is not there for writing would make a file of it.
if ! { [ -c /dev/kvm ] && (exec 3<>/dev/kvm) 2>/dev/null; }; then
	echo "no usable /dev/kvm"
	exit 77
fi
exec "$@"
