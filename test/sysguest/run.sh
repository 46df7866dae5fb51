#!/bin/sh
# run.sh VMACCEL PROGRAM ENGINE...: run a system guest (sysguest.h) on soft and on the other engines (kvm, qemu) that are here and
# compare what they print, line by line. What soft prints must be complete and as the program wants it; where another engine says
# something else, differences.txt has to say who is right. SYSGUEST_KEEP=1 shows every engine's lines.
set -u
export LC_ALL=C
vmaccel=$1 program=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
engines=

run_kvm_or_soft() {
	timeout 100 "$vmaccel" run --accel "$1" --cpu max --mem 64M --kernel "$program" --debug-exit --timeout 90 </dev/null \
		>"$work/raw.$1" 2>"$work/err.$1"
}

run_qemu() {
	timeout 20 qemu-system-x86_64 -accel tcg -cpu max -m 64 -nodefaults -display none -serial "file:$work/raw.qemu" \
		-device isa-debug-exit,iobase=0xf4,iosize=4 -no-reboot -kernel "$program" </dev/null >/dev/null 2>"$work/err.qemu"
}

here_is() {
	case $1 in
	soft) ;;
	kvm) [ -c /dev/kvm ] && (exec 3<>/dev/kvm) 2>/dev/null || { echo "kvm: not run, no usable /dev/kvm"; return 1; } ;;
	qemu) command -v qemu-system-x86_64 >/dev/null 2>&1 || {
		echo "qemu: not run, install qemu-system-x86 (scripts/deps test)"
		return 1
	} ;;
	esac
}

for engine in "$@"; do
	here_is "$engine" || continue
	case $engine in
	qemu) run_qemu ;;
	*) run_kvm_or_soft "$engine" ;;
	esac
	status=$?
	[ -f "$work/raw.$engine" ] || : >"$work/raw.$engine"
	tr -d '\r' <"$work/raw.$engine" | sed 's/.*\(fatal: \)/\1/' | grep -E '^(end|fatal|[a-z0-9]+\.[A-Za-z0-9_.*]+): ' >"$work/lines.$engine"
	# A group may end its run itself, by a triple fault, behind its last line.
	[ $status -ne 124 ] || echo "fatal: $engine does not end" >>"$work/lines.$engine"
	! grep -q '^fatal: .*' "$work/lines.$engine" || sed -i '/^end: 0/d' "$work/lines.$engine"
	[ "$engine" = soft ] || engines="$engines $engine"
	[ -z "${SYSGUEST_KEEP:-}" ] || sed "s/^/$engine: /" "$work/lines.$engine" "$work/err.$engine"
	if [ "$engine" != soft ] && ! grep -q '^end: 0' "$work/lines.$engine"; then
		echo "$engine: stopped early: $(cat "$work/lines.$engine" "$work/err.$engine" | tail -n 1 | cut -c1-200)"
	fi
done

# shellcheck disable=SC2086
awk -v work="$work" -v engines="$engines" -v table="$here/differences.txt" -v wants_file="$here/wants.txt" -f "$here/compare.awk" || {
	sed 's/^/soft: /' "$work/err.soft" | head -n 40
	exit 1
}
