#!/bin/sh
# test_count.sh - runs by instruction count: they stop where they should, say where, and repeat. Guests are flat binaries,
# entered in 64-bit mode at 1 MiB.
set -u
. "$(dirname "$0")/lib.sh"

# 1: inc rax; jmp 1b
flat "$work/spin" '\110\377\300\353\373'
# cli; hlt
flat "$work/halt" '\372\364'
# write "ok" and a newline to the serial port, then debug exit 0
flat "$work/serial" '\146\272\370\003\260o\356\260k\356\260\n\356\060\300\346\364\364'
# echo: mov dx, 0x3fd; in al, dx; test al, 1; jz 1b; mov dl, 0xf8; in al, dx; out dx, al; jmp 1b
flat "$work/echo" '\146\272\375\003\354\250\001\164\367\262\370\354\356\353\361'
# the year of the clock as debug exit: mov al, 9; out 0x70, al; in al, 0x71; out 0xf4, al
flat "$work/year" '\260\011\346\160\344\161\346\364'
# how many looks until the clock's periodic timer has fired: register B = 0x42 (PIE, 24 hours), then inc ecx and read C until bit 6
flat "$work/timer" '\260\013\346\160\260\102\346\161\377\301\260\014\346\160\344\161\250\100\164\364\353\376'
# reset through port 0xcf9: mov al, 6; mov dx, 0xcf9; out dx, al
flat "$work/reset" '\260\006\146\272\371\014\356\353\376'
# RDRAND for ever: rdrand rax; add rbx, rax; jmp 1b
flat "$work/random" '\110\017\307\360\110\001\303\353\367'

at='--flat 0x100000 --debug-exit --mem 4M --timeout 50'

state() { # of the last run
	sed -n 's/^vmaccel: .* state \([0-9a-f]\{16\}\)$/\1/p' "$work/err"
}

# counted STATUS TEXT GUEST FLAG...: the status, and the line that says where it stands begins so
counted() {
	want=$1 text=$2 guest=$3
	shift 3
	run run --kernel "$work/$guest" $at "$@"
	if [ "$status" = "$want" ] && grep -q "^vmaccel: $text" "$work/err" && [ -n "$(state)" ] && [ "$(wc -l <"$work/err")" = 1 ]; then
		ok
	else
		not_ok "status $status (want $want), or no line '$text': $guest $*"
	fi
}

# Exactly N; where it stands depends on it
used='instruction budget used up after'
counted 122 "$used 1 instructions and 0.000000001 s of guest time at 0x100003," spin --max-insns 1
counted 122 "$used 1000000 instructions and 0.001000000 s of guest time at 0x100000," spin --max-insns 1000000
first=$(state)
counted 122 "$used 1000000 instructions" spin --max-insns 1000000 --accel soft --cpus 1
[ "$(state)" = "$first" ] && ok || not_ok "another state in the second run"
counted 122 "$used 1000001 instructions and 0.001000001 s of guest time at 0x100003," spin --max-insns 1000001
[ "$(state)" != "$first" ] && ok || not_ok "the same state one instruction later"
counted 122 "$used 1000000 instructions and 0.000500000 s" spin --max-insns 1000000 --insn-hz 2000000000
[ "$(state)" != "$first" ] && ok || not_ok "the same state at another rate"
run run --kernel "$work/spin" $at --max-insns 1000000 --json
tail -n 1 "$work/out" | grep -q '"insns":1000000,"virtual_ns":1000000,"state":"'"$first"'"' && ok || not_ok 'no "insns", "virtual_ns", "state" in the JSON'
run run --kernel "$work/spin" $at --timeout 0.3 --accel soft --json
tail -n 1 "$work/out" | grep -q '"insns"' && not_ok '"insns" in the JSON of a run on real time' || ok

# Other ends count, too: two instructions and a halt for good; the debug exit is the 9th instruction
counted 122 'halted, and nothing will end it after 2 instructions' halt --max-insns 1000
counted 1 'debug exit after 9 instructions' serial --max-insns 1000
[ "$(cat "$work/out")" = ok ] && ok || not_ok "the console's output"
counted 122 "$used 3 instructions" serial --max-insns 3
[ "$(cat "$work/out")" = o ] && ok || not_ok "the console's output, of the first three instructions"
counted 122 "$used 10 instructions" reset --max-insns 10 --on-reset reboot --json
tail -n 1 "$work/out" | grep -q '"resets":3,' && ok || not_ok "not three resets in ten instructions"

# Devices: their UTC, their timers (976562.5 ns at a nanosecond an instruction), random numbers
counted 65 'debug exit after 4 instructions' year --insn-hz 1000000
counted 122 "$used 2000000 instructions" timer --max-insns 2000000
first=$(state)
counted 122 "$used 2000000 instructions" timer --max-insns 2000000
[ "$(state)" = "$first" ] && ok || not_ok "the clock's timer fires elsewhere in the second run"
counted 122 "$used 100000 instructions" random --max-insns 100000 --cpu max
first=$(state)
counted 122 "$used 100000 instructions" random --max-insns 100000 --cpu max
[ "$(state)" = "$first" ] && ok || not_ok "RDRAND does not repeat"

# Input from a file, none from a pipe
echo 'hello, guest' >"$work/input"
for i in 1 2; do
	"$vmaccel" run --arch x86-64 --kernel "$work/echo" $at --max-insns 5000 <"$work/input" >"$work/out" 2>"$work/err"
	cmp -s "$work/input" "$work/out" && ok || not_ok "input from a file was not echoed"
	[ $i = 1 ] && first=$(state)
done
[ -n "$first" ] && [ "$(state)" = "$first" ] && ok || not_ok "input comes elsewhere in the second run"
echo 'hello' | "$vmaccel" run --arch x86-64 --kernel "$work/echo" $at --max-insns 5000 >"$work/out" 2>"$work/err"
[ ! -s "$work/out" ] && [ -n "$(state)" ] && ok || not_ok "input from a pipe came"

# A timeout ends one that never would; the count is told
counted 124 'timeout after' spin --insn-hz 1000000 --timeout 0.3

# What cannot be
for n in 0 -1 x 1e6 18446744073709551615; do
	refuse max-insns run --kernel "$work/spin" $at --max-insns $n
done
for hz in 999999 10000000001; do
	refuse insn-hz run --kernel "$work/spin" $at --insn-hz $hz
done
refuse 'instruction count has one' run --kernel "$work/spin" $at --max-insns 5 --cpus 2
if "$vmaccel" info | grep -q '^kvm (x86_64 guests): available'; then
	refuse 'kvm does not count instructions' run --kernel "$work/spin" $at --max-insns 5 --accel kvm
fi
summary
