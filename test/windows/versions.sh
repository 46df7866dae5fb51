#!/bin/sh
# versions.sh SOURCE-FOLDER BUILD-FOLDER COMMAND: what the command says of WHPX on each Windows: on those that have it, and on those that are
# too old, on which it is turned off or forbidden, or damaged, a text that helps, and status 126.
set -u
source=$1 build=$2 command=$3 failed=0

# says STATUS WINDOWS SIMULATION TEXT: of `vmaccel check` there
says() {
	status=0
	out=$(VMA_WHPX_SIM=$3 "$source/scripts/wine" "$build/wine-$2" "$command" check --accel whpx --only 20 2>&1 </dev/null) || status=$?
	if [ "$status" != "$1" ] || ! echo "$out" | grep -q "$4"; then
		echo "FAILED: Windows $2 ($3): status $status, not $1, or nothing like '$4': $out"
		failed=$((failed + 1))
	fi
}

# tells WINDOWS SIMULATION TEXT: of `vmaccel info` there
tells() {
	out=$(VMA_WHPX_SIM=$2 "$source/scripts/wine" "$build/wine-$1" "$command" info 2>&1 </dev/null)
	if ! echo "$out" | grep -q "$3"; then
		echo "FAILED: Windows $1 ($2): nothing like '$3': $out"
		failed=$((failed + 1))
	fi
}

says 126 without '' 'no WinHvPlatform.dll.*Windows Hypervisor Platform'
says 126 1803 '' 'older than Windows 10 version 2004'
says 126 1809 '' 'older than Windows 10 version 2004'
says 126 2004 disabled 'Enable-Feature'
says 126 2004 denied 'E_ACCESSDENIED.*Hyper-V Administrators'
says 126 2004 no-WHvRunVirtualProcessor 'has no WHvRunVirtualProcessor.*sfc /scannow'
says 0 2004 no-WHvQueryGpaRangeDirtyBitmap 'T020.*: pass'
tells 2004 no-WHvQueryGpaRangeDirtyBitmap 'available, WinHvPlatform.dll without WHvQueryGpaRangeDirtyBitmap$'
tells 11 no-WHvGetVirtualProcessorXsaveState 'available, WinHvPlatform.dll$'
says 0 2004 '' 'T020.*: pass'
says 0 11 '' 'T020.*: pass'
says 0 11 hostile=5 'T020.*: pass'
# from System32 alone, whoever leaves a file of that name beside the program
beside=$(mktemp -d)
trap 'rm -rf "$beside"' EXIT
cp "$command" "$build"/whpx/11/*.dll "$beside"
command=$beside/${command##*/}
says 126 without '' 'no WinHvPlatform.dll'
[ "$failed" = 0 ]
