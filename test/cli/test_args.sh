#!/bin/sh
# test_args.sh - bad command lines and unusable files: one clear line naming the culprit, and status 127.
set -u
. "$(dirname "$0")/lib.sh"

printf 'hello, I am no kernel\n' >"$work/text"
: >"$work/empty"
printf '\177ELF' >"$work/truncated"
head -c 4096 /dev/zero >"$work/zeros"
flat "$work/halt" '\364'
k="--kernel $work/halt --flat 0x100000"

refuse "'fly' is not a verb" fly
refuse "--wings: unknown flag" run --wings
refuse "-wings: unknown flag" run -wings
refuse "--wings: unknown flag" info --wings
refuse 'kernel: unexpected argument' run kernel
refuse '--kernel: is required' run
refuse '--kernel: needs a value' run --kernel
refuse '--kernel: must not be empty' run --kernel ''
refuse 'takes no value' run --json=yes
refuse "/no/such/file.*No such file" run --kernel /no/such/file
refuse "$work.*not a regular file" run --kernel "$work"
for file in text empty truncated zeros; do
	refuse "$work/$file" run --accel soft --kernel "$work/$file"
done
for size in 0 -1 +1 '' ' 1' 1Q 1Mx 12MM G 0x10M 1.5G 99999999999999999999 18446744073709551615G 17592186044416M 1K nan; do
	refuse '--mem:' run $k --mem "$size"
done
refuse '-m:' run $k -m lots
refuse 'times the .* MiB of this host' run --accel soft $k --mem 16T
for n in 0 -1 two 1x 5000 4294967297; do
	refuse '--cpus:' run $k --cpus "$n"
done
for s in -1 0 1s 1.5.2 99999999999; do
	refuse '--timeout:' run $k --timeout "$s"
done
for a in zz 0x -5 0x1ffffffffffffffff; do
	refuse '--flat:' run --kernel "$work/halt" --flat "$a"
done
refuse '--accel:.*not one of' run $k --accel fast
refuse '--entry:.*not one of' run $k --entry sideways
refuse '--console:' run $k --console tape
refuse '--console:' run $k --console file:
refuse '/no/such/folder/file' run --accel soft $k --console file:/no/such/folder/file
refuse '/no/such/initrd.*No such file' run --accel soft --kernel "$work/text" --initrd /no/such/initrd
refuse 'no check T9998' check --only 9998
refuse 'no guest code' bench --accel null
expect 126 'hvf.*not in this build' check --accel hvf
expect 126 'null runs no guest code' run --accel null $k

# What is not wrong
expect 0 '' --version
expect 0 '' --help
for verb in run info check bench; do
	expect 0 '' $verb --help
done
expect 0 '' check --list
expect 0 '' info
grep -q '^soft .*available' "$work/out" && ok || not_ok 'info does not list soft'
grep -q '^hvf: not written yet' "$work/out" && ok || not_ok 'info does not say that hvf is not written yet'
expect 0 '' info --json
grep -q '"auto":' "$work/out" && ok || not_ok 'info --json says nothing of auto'
if [ -e /dev/full ]; then
	status=0
	"$vmaccel" --help >/dev/full 2>"$work/err" || status=$?
	[ "$status" = 125 ] && ok || not_ok "status $status, not 125, when standard output is full"
fi
summary
