#!/bin/sh
# kvm_arm64.sh SOURCE-FOLDER BUILD-FOLDER NAME CPU GIC [bench]: the real KVM of arm64, nested in QEMU's virt machine with EL2: Debian's kernel has it
# built in. CPU cortex-a57 has no VHE, neoverse-n1 and max have; GIC is 2 or 3. With `bench` it runs
# `vmaccel bench` alone. 77: something is missing.
set -eu
cd "$1"
build=$2 name=$3 cpu=$4 gic=$5
guest=${VMA_GUEST_ARM64:-build/guest-arm64}
sysroot=${VMA_SYSROOT_ARM64:-build/sysroot-arm64}
here=test/rigs
. "$here/rig.sh"

command -v qemu-system-aarch64 >/dev/null || rig_skip "no qemu-system-aarch64: apt-get install qemu-system-arm"
[ -f "$guest/vmlinuz" ] || rig_skip "no Debian arm64 kernel: scripts/deps arm64"
[ -d "$sysroot" ] || rig_skip "no arm64 libraries: scripts/deps arm64"

# rig_libraries PROGRAM: from the sysroot; what those want in turn is among what they all want together
rig_libraries() {
	pending=$1 seen=
	while [ -n "$pending" ]; do
		next=
		for file in $pending; do
			for want in $(aarch64-linux-gnu-objdump -p "$file" | awk '$1 == "NEEDED" { print $2 }'); do
				case " $seen " in *" $want "*) continue ;; esac
				seen="$seen $want"
				found=$(find "$sysroot/lib/aarch64-linux-gnu/" "$sysroot/usr/lib/aarch64-linux-gnu/" -name "$want" 2>/dev/null | head -n 1)
				[ -n "$found" ] || continue
				next="$next $found"
				echo "$found"
			done
		done
		pending=$next
	done
}
strip() {
	aarch64-linux-gnu-strip "$@"
}

# rig_pack: libraries all into /lib, where the loader looks
rig_pack() {
	sort -u "$work/libraries" | while read -r library; do
		strip -o "$stage/lib/$(basename "$library")" "$(readlink -f "$library")"
	done
	chmod 755 "$stage/init" "$stage/run" "$stage"/lib/*
	(cd "$stage" && find . | LC_ALL=C sort | cpio --quiet -o -H newc) >"$work/initramfs"
}

rig_begin
cp "$here/init" "$stage/init"
cp "$here/${6:-run}-kvm-arm64" "$stage/run"
echo "$name" >"$stage/name"
cp "$guest/busybox" "$stage/bin/"
ln -s busybox "$stage/bin/sh"
rig_add "$build/vmaccel"
for program in "$build"/test/test_arm64_* "$build"/test/test_core_move; do
	[ ! -x "$program" ] || rig_add "$program"
done
cp "$guest/vmlinuz" "$stage/t/vmlinuz"
VMA_GUEST=$guest scripts/initramfs "$stage/t/initramfs"
rig_boot 350 qemu-system-aarch64 -accel tcg -M "virt,virtualization=on,gic-version=$gic" -cpu "$cpu" -smp 1 -m 1024 \
	-kernel "$guest/vmlinuz" -append 'console=ttyAMA0 panic=-1 quiet'
