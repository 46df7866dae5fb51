#!/bin/sh
# imports.sh OBJDUMP PROGRAM...: each needs no DLL that Windows 10 has not got. Running them under Wine does not tell: it has zlib1.dll and more.
set -u
objdump=$1 failed=0
shift
windows='kernel32 msvcrt advapi32 user32 shell32 ole32 ws2_32 iphlpapi userenv psapi dbghelp winmm api-ms-win-core-synch-l1-2-0'
for program in "$@"; do
	names=$("$objdump" -p "$program" | sed -n 's/.*DLL Name: \(.*\)\.dll$/\1/Ip' | tr 'A-Z' 'a-z')
	[ -n "$names" ] || { echo "FAILED: no imports of $program to be read"; failed=1; }
	for name in $names; do
		case " $windows " in
		*" $name "*) ;;
		*) echo "FAILED: $program needs $name.dll"; failed=1 ;;
		esac
	done
done
exit $failed
