#!/bin/sh
# kvm_amd.sh SOURCE-FOLDER BUILD-FOLDER [boot|bench]: the real kvm_amd, nested in QEMU's processor that has SVM: Debian's kernel loads it from its package
# and runs the project's programs; with `boot` the command alone, which boots Debian's kernel inside; with `bench` `vmaccel bench`. 77: something is missing.
set -eu
cd "$1"
build=$2
guest=${VMA_GUEST:-build/guest}
here=test/rigs
. "$here/rig.sh"

command -v qemu-system-x86_64 >/dev/null || rig_skip "no qemu-system-x86_64: apt-get install qemu-system-x86"
[ -f "$guest/modules/kvm-amd.ko" ] || rig_skip "no Debian kernel with kvm-amd: scripts/deps guest"
rig_begin
cp "$here/init" "$stage/init"
cp "$here/${3:-run}-kvm-amd" "$stage/run"
cp "$guest/busybox" "$stage/bin/"
ln -s busybox "$stage/bin/sh"
cp "$guest"/modules/*.ko "$stage/lib/"
rig_add "$build/vmaccel"
[ -n "${3-}" ] || rig_add "$build"/test/test_kvm_*[a-z] "$build/test/test_guests_agree" "$build/test/test_gsi" "$build/test/test_sipi" \
	"$build"/test/test_core_v* "$build/test/test_core_state" "$build/test/test_core_move"
scripts/unpack-kernel "$guest/vmlinuz" "$stage/t/vmlinux"
scripts/initramfs "$stage/t/initramfs"
# one processor: with two, threads of QEMU's that each run a nested guest stop each other for good
rig_boot 350 qemu-system-x86_64 -accel tcg -cpu EPYC,+svm,+npt -smp 1 -m 1024 -kernel "$guest/vmlinuz" -append 'console=ttyS0 panic=-1 quiet'
