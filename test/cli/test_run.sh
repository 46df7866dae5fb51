#!/bin/sh
# test_run.sh - how a run ends is what its exit status and its JSON say: on each accelerator of this machine.
# Guests are flat binaries, entered in 64-bit mode at 1 MiB.
set -u
. "$(dirname "$0")/lib.sh"

# out 0xf4, 21: mov al, 21; out 0xf4, al; hlt
flat "$work/debug" '\260\025\346\364\364'
# write "ok" to the serial port, then debug exit 0: mov dx, 0x3f8; mov al, 'o'; out dx, al; mov al, 'k'; out dx, al; ...
flat "$work/serial" '\146\272\370\003\260o\356\260k\356\260\n\356\060\300\346\364\364'
# jmp to itself
flat "$work/spin" '\353\376'
# lidt [rip+2] with limit 0; ud2: no handler for anything
flat "$work/crash" '\017\001\035\002\000\000\000\017\013\000\000\000\000\000\000\000\000\000\000'
# cli; hlt: waits for ever
flat "$work/halt" '\372\364'
# the same two, after a newline to the serial port has told that they run: mov dx, 0x3f8; mov al, 10; out dx, al
flat "$work/told_spin" '\146\272\370\003\260\n\356\353\376'
flat "$work/told_halt" '\146\272\370\003\260\n\356\372\364'

at='--flat 0x100000 --console none --debug-exit'

field() { # the value of a member of the JSON on the last line
	tail -n 1 "$work/out" | sed -n "s/.*\"$1\":\"\\{0,1\\}\\([^\",}]*\\).*/\\1/p"
}

ends() { # ends ACCEL STATUS END GUEST [flag...]
	accel=$1 want=$2 end=$3 guest=$4
	shift 4
	run run --accel "$accel" --kernel "$work/$guest" $at --json "$@"
	if [ "$status" = "$want" ] && [ "$(field end)" = "$end" ] && [ "$(field status)" = "$want" ] && [ "$(field accel)" = "$accel" ]; then
		ok
	else
		not_ok "status $status (want $want), end '$(field end)' (want '$end'): $guest on $accel $*"
	fi
}

on() {
	accel=$1
	ends "$accel" 43 'debug exit' debug
	ends "$accel" 124 timeout spin --timeout 0.3
	ends "$accel" 124 timeout halt --timeout 0.3
	ends "$accel" 123 crash crash --timeout 20
	grep -Eiq 'rip[ =:]+0*100007' "$work/err" && ok || not_ok "no register dump with the RIP of the UD2 on stderr ($accel)"

	# The console: on stdout, in a file, nowhere
	run run --accel "$accel" --kernel "$work/serial" --flat 0x100000 --debug-exit --timeout 20
	[ "$status" = 1 ] && [ "$(cat "$work/out")" = ok ] && ok || not_ok "console stdio on $accel: status $status"
	run run --accel "$accel" --kernel "$work/serial" $at --console "file:$work/console" --timeout 20
	[ "$status" = 1 ] && [ "$(cat "$work/console")" = ok ] && [ ! -s "$work/out" ] && ok || not_ok "console file on $accel"
	run run --accel "$accel" --kernel "$work/serial" $at --timeout 20
	[ "$status" = 1 ] && [ ! -s "$work/out" ] && ok || not_ok "console none on $accel"

	# The marker: seen, with a time; or not, null
	run run --accel "$accel" --kernel "$work/serial" $at --timeout 20 --marker ok --json
	case $(field marker_ms) in
	'' | *[!0-9]*) not_ok "marker_ms '$(field marker_ms)' on $accel" ;;
	*) ok ;;
	esac
	run run --accel "$accel" --kernel "$work/serial" $at --timeout 20 --marker absent --json
	[ "$(field marker_ms)" = null ] && ok || not_ok "marker_ms of an absent marker on $accel: '$(field marker_ms)'"

	# SIGTERM ends a process under Wine as SIGKILL would; SIGINT is Ctrl-C there
	case $vmaccel in
	*.exe) ;;
	*) stops_on TERM 143 "$accel" ;;
	esac
	stops_on INT 130 "$accel"
}

stops_on() { # stops_on SIGNAL STATUS ACCEL: an orderly end
	for guest in told_spin told_halt; do
		rm -f "$work/out"
		"$vmaccel" run --arch x86-64 --accel "$3" --kernel "$work/$guest" --flat 0x100000 --timeout 50 --json </dev/null >"$work/out" 2>"$work/err" &
		pid=$!
		for i in $(seq 200); do
			[ ! -s "$work/out" ] || break
			sleep 0.1
		done
		kill -s "$1" "$pid"
		status=0
		wait "$pid" || status=$?
		[ "$status" = "$2" ] && [ "$(field end)" = signal ] && ok || not_ok "status $status, not $2, after SIG$1 with guest $guest on $3"
	done
}

on soft
# QEMU's spellings
run run -accel soft -kernel "$work/debug" -m 64 -smp 1 -append 'a b' $at
[ "$status" = 43 ] && ok || not_ok "QEMU's spellings: status $status"
if "$vmaccel" info | grep -q '^kvm (x86_64 guests): available'; then
	on kvm
fi
summary
