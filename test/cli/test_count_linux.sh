#!/bin/sh
# test_count_linux.sh - Debian's kernel for some instructions, twice: the same console, the same state; another one an
# instruction later. 77: no guest was fetched. test-labels: release
set -u
. "$(dirname "$0")/lib.sh"
cd "$(dirname "$0")/../.."
kernel=${VMA_GUEST:-build/guest}/vmlinuz
[ -f "$kernel" ] || { echo "no guest: scripts/deps guest"; exit 77; }
n=200000000

boot() { # boot NAME INSTRUCTIONS
	expect 122 "after $2 instructions" run --max-insns "$2" --mem 128M --kernel "$kernel" --append 'console=ttyS0 earlyprintk=ttyS0'
	mv "$work/out" "$work/$1.out"
	sed -n 's/.* state //p' "$work/err" >"$work/$1.state"
}

boot first $n
boot second $n
boot later $((n + 1))
grep -q 'Linux version' "$work/first.out" && [ "$(wc -c <"$work/first.out")" -gt 2000 ] && ok || not_ok "the kernel said little"
[ -s "$work/first.state" ] && cmp -s "$work/first.state" "$work/second.state" && ok || not_ok "the two states differ"
cmp -s "$work/first.out" "$work/second.out" && ok || not_ok "the two consoles differ"
cmp -s "$work/first.state" "$work/later.state" && not_ok "one instruction later, the same state" || ok
summary
