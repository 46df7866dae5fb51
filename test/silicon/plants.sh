#!/bin/sh
# plants.sh PROGRAM: the prover notices each wrong result that is planted, and names the instruction that it was
# planted in.
set -eu
program=$1 bad=0
"$program" --insns 1000 >/dev/null || exit $? # 77: not on this host

# plant NAME PATTERN: the report's last instruction is one of these
plant() {
	if ! report=$("$program" --plant "$1" --insns 400000 2>&1); then
		echo "not noticed: $1"
		bad=1
	elif ! echo "$report" | grep -Eq "$2"; then
		echo "noticed, but something else is blamed: $1"
		echo "$report"
		bad=1
	else
		echo "noticed: $1"
	fi
}
plant flag ' cmc$'
plant register ' not '
plant memory ' mov byte ptr| mov \['
plant vector ' addp[sd] | adds[sd] '
plant x87 ' fchs$'
plant fault 'only the processor faults: vector 14'
exit $bad
