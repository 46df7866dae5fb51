#!/bin/sh
# run.sh SOURCE BUILD ARCHITECTURE: a Debian user land (scripts/deps userland, arm64) gives the same output in a guest of the software CPU
# as elsewhere, byte for byte. x86-64: as here; with the model `host` both take the same code paths, with x86-64-v1 the C library here is
# told to compute without FMA and AVX2. arm64: as on QEMU's software CPU, booted from the same kernel and initramfs.
set -eu
source=$1 build=$2 arch=$3
here=$(cd "$(dirname "$0")" && pwd)
case $arch in
arm64) guest=${VMA_GUEST_ARM64:-$source/build/guest-arm64} console=ttyAMA0 deps=arm64 ;;
*) guest=${VMA_GUEST:-$source/build/guest} console=ttyS0 deps='guest userland' ;;
esac
tree=$guest/userland
append="console=$console quiet panic=-1"

skip() {
	echo "userland: skipped: $*"
	exit 77
}
[ -f "$tree/.complete" ] && [ -f "$guest/vmlinuz" ] && [ -f "$guest/busybox" ] ||
	skip "no guest files (scripts/deps $deps)"
command -v cpio >/dev/null || skip "no cpio (scripts/deps $deps)"
if [ "$arch" = arm64 ]; then
	command -v qemu-system-aarch64 >/dev/null || skip "no qemu-system-aarch64 (scripts/deps arm64)"
elif [ "$(id -u)" = 0 ]; then
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

# The part of a console that is the commands'
output_of() {
	sed -n '/^== dash/,/^== end/p' "$1"
}

run_here() {
	mkdir "$work/tree/work"
	env -i "$@" PATH="$PATH:/usr/sbin:/sbin" $as_root chroot "$work/tree" /bin/dash /commands.sh /work /python.py >"$work/here" 2>&1
	rm -rf "$work/tree/work"
}

run_qemu() {
	timeout 280 qemu-system-aarch64 -accel tcg -machine virt,gic-version=3 -cpu "$1" -m 512 -nodefaults -display none -serial stdio \
		-no-reboot -kernel "$guest/vmlinuz" -initrd "$work/initramfs.cpio" -append "$append" </dev/null >"$work/qemu" 2>&1 ||
		echo "userland: QEMU ended with $?"
	output_of "$work/qemu" >"$work/here"
}

# compare MODEL: ends with status 0 when the guest's output is that in $work/here
compare() {
	model=$1
	"$build/vmaccel" run --arch "$arch" --accel soft --cpu "$model" --mem 512M --timeout 280 --kernel "$guest/vmlinuz" \
		--initrd "$work/initramfs.cpio" --append "$append" </dev/null >"$work/console" 2>"$work/log" ||
		{ cat "$work/log"; echo "userland: $model: vmaccel ended with $?"; }
	output_of "$work/console" >"$work/there"
	lines=$(wc -l <"$work/here")
	if grep -q '^== end' "$work/here" && diff "$work/here" "$work/there" >"$work/diff"; then
		passed=$((passed + 1))
		echo "userland: $arch, $model: $lines lines are the same"
	else
		failed=$((failed + 1))
		echo "userland: $arch, $model: differs (<: the reference, >: in the guest)"
		head -n 40 "$work/diff"
		tail -n 5 "$work/console"
	fi
}

passed=0 failed=0
if [ "$arch" = arm64 ]; then
	run_qemu max
	compare max
else
	run_here
	compare host
	run_here GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4
	compare x86-64-v1
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
