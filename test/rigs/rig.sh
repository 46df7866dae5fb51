# rig.sh - sourced by the rigs: a machine that QEMU emulates, whose kernel has a real KVM, runs the project's test programs.
#
# A rig makes an initramfs in $stage: rig_begin, rig_add FILE..., a script /run, rig_boot. What /run prints comes out of the machine's
# serial port; its last line must be `rig: done`.
rig_skip() {
	echo "skipped: $*"
	exit 77
}

rig_begin() {
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	stage=$work/stage
	mkdir -p "$stage/bin" "$stage/dev" "$stage/proc" "$stage/sys" "$stage/tmp" "$stage/lib" "$stage/t"
}

# rig_libraries PROGRAM: the shared libraries it wants, as files
rig_libraries() {
	ldd "$1" | grep -o '/[^ ]*'
}

# rig_add PROGRAM...: into /t, without debug information, with its libraries in their places
rig_add() {
	for program in "$@"; do
		rig_libraries "$program" >>"$work/libraries"
		strip -o "$stage/t/$(basename "$program")" "$program"
	done
}

rig_pack() {
	sort -u "$work/libraries" | while read -r library; do
		mkdir -p "$stage$(dirname "$library")"
		strip -o "$stage$library" "$(readlink -f "$library")" 2>/dev/null || cp -L "$library" "$stage$library"
	done
	chmod 755 "$stage/init" "$stage/run"
	(cd "$stage" && find . | LC_ALL=C sort | cpio --quiet -o -H newc) >"$work/initramfs"
}

# rig_boot SECONDS QEMU-COMMAND...: prints what the machine says; fails unless it came to its end in time
rig_boot() {
	seconds=$1
	shift
	rig_pack
	timeout "$seconds" "$@" -display none -serial stdio -monitor none -no-reboot -nodefaults -initrd "$work/initramfs" </dev/null 2>"$work/err" |
		tr -d '\r' | tee "$work/out"
	grep -v "doesn't support requested feature" "$work/err" || true
	grep -q '^rig: done' "$work/out" || { echo "rig: did not come to its end within $seconds seconds"; return 1; }
	! grep -Eq '^\[  FAILED  \]|^(run: )?FAILED|^[0-9]+ passed, [1-9][0-9]* failed' "$work/out"
}
