#!/bin/sh
# run.sh SOURCE BUILD: a Debian user land (scripts/deps userland) gives the same output here and in a guest of the software CPU, byte for
# byte. With the model `host` both take the same code paths; with x86-64-v1 the C library here is told to compute without FMA and AVX2.
set -eu
source=$1 build=$2
here=$(cd "$(dirname "$0")" && pwd)
guest=${VMA_GUEST:-$source/build/guest}
tree=$guest/userland

skip() {
	echo "userland: skipped: $*"
	exit 77
}
[ -f "$tree/.complete" ] && [ -f "$guest/vmlinuz" ] && [ -f "$guest/busybox" ] ||
	skip "no guest files (scripts/deps guest userland)"
command -v cpio >/dev/null || skip "no cpio (scripts/deps guest)"
if [ "$(id -u)" = 0 ]; then
	as_root=
elif unshare -r true 2>/dev/null; then
	as_root='unshare -r'
else
	skip "the commands run here in chroot, which needs root or user namespaces"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R "$tree" "$work/tree"
cp "$here/commands.sh" "$here/python.py" "$work/tree"
cp "$guest/busybox" "$work/tree/bin/busybox"
VMA_GUEST=$guest "$source/scripts/initramfs" "$work/initramfs.cpio" "$here/init" "$work/tree"

# Ends with status 0 when the outputs are equal.
compare() {
	model=$1
	shift
	mkdir "$work/tree/work"
	env -i "$@" PATH="$PATH:/usr/sbin:/sbin" $as_root chroot "$work/tree" /bin/dash /commands.sh /work /python.py >"$work/here" 2>&1
	rm -rf "$work/tree/work"
	"$build/vmaccel" run --accel soft --cpu "$model" --mem 512M --timeout 280 --kernel "$guest/vmlinuz" --initrd "$work/initramfs.cpio" \
		--append 'console=ttyS0 quiet panic=-1' </dev/null >"$work/console" 2>"$work/log" || { cat "$work/log"; echo "userland: $model: vmaccel ended with $?"; }
	sed -n '/^== dash/,/^== end/p' "$work/console" >"$work/there"
	lines=$(wc -l <"$work/here")
	if grep -q '^== end' "$work/here" && diff "$work/here" "$work/there" >"$work/diff"; then
		passed=$((passed + 1))
		echo "userland: $model: $lines lines are the same here and in the guest"
	else
		failed=$((failed + 1))
		echo "userland: $model: differs (<: here, >: in the guest)"
		head -n 40 "$work/diff"
		tail -n 5 "$work/console"
	fi
}

passed=0 failed=0
compare host
compare x86-64-v1 GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
