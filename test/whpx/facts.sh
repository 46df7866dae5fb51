#!/bin/sh
# test/whpx/facts.sh SOURCE: the names, values and layouts of src/whpx/whp.h against mingw-w64's own headers and import libraries: every
# function is exported by the DLL of that name, and nothing is exported that is not in the list; every enumerator, size and offset is equal.
set -eu
source=$1
cc=x86_64-w64-mingw32-gcc
command -v $cc >/dev/null || { echo "facts: skipped, no $cc: scripts/deps windows"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# expand 'MACRO' LISTS: each row of the lists as MACRO(row) on a line of its own
expand() {
	printf '#include "whpx/whp.h"\n#define ROW(...) @%s(__VA_ARGS__)@\n%s\n' "$1" "$2" >"$work/rows.c"
	${CC:-cc} -E -P -I"$source/src" "$work/rows.c" | tr '@' '\n' | grep "^$1("
}

# the functions
exports() {
	x86_64-w64-mingw32-nm "$($cc -print-file-name="$1")" 2>/dev/null | sed -n 's/.* T \(WHv[A-Za-z0-9]*\)$/\1/p' | sort -u
}
names() {
	expand NAME "$1(ROW)" | sed 's/^NAME(\([A-Za-z0-9]*\),.*/\1/' | sort -u
}
failed=0
compare() {
	names "$1" >"$work/ours"
	exports "$2" >"$work/theirs"
	diff "$work/ours" "$work/theirs" || { echo "facts: $1 of whp.h and $2 differ"; failed=1; }
	echo "$2: $(wc -l <"$work/theirs") functions"
}
compare WHP_PLATFORM_FUNCTIONS libwinhvplatform.a
compare WHP_EMULATION_FUNCTIONS libwinhvemulation.a

# those that the back end looks up
exports libwinhvplatform.a >"$work/theirs"
printf '#include "whpx/whpx.h"\n#define X(name, ...) @NAME(WHv##name)@\nWHPX_REQUIRED(X) WHPX_OPTIONAL(X)\n' >"$work/rows.c"
${CC:-cc} -E -P -I"$source/src" -I"$source/include" -I"$source/cpu" -I"$source" "$work/rows.c" | tr '@' '\n' |
	sed -n 's/^NAME(\(.*\))$/\1/p' | sort -u >"$work/ours"
[ -s "$work/ours" ] || { echo "facts: no names found in src/whpx/whpx.h"; failed=1; }
if comm -23 "$work/ours" "$work/theirs" | grep .; then
	echo "facts: src/whpx looks these up, and no DLL exports them"
	failed=1
fi
echo "src/whpx: $(wc -l <"$work/ours") functions looked up"

# the values and layouts; mingw-w64 10 is older than these
lacking='WHvCapabilityCodePhysicalAddressWidth'
expand ENUMERATOR 'WHP_ENUMERATORS(ROW)' | grep -v -E "^ENUMERATOR\(($lacking)," >"$work/facts.h"
expand SIZE 'WHP_SIZES(ROW)' >>"$work/facts.h"
expand OFFSET 'WHP_OFFSETS(ROW)' >>"$work/facts.h"
cat >"$work/facts.c" <<'C'
#include <stddef.h>
#include <windows.h>
#include <winhvplatform.h>
#include <winhvemulation.h>
#define ENUMERATOR(name, value) _Static_assert((unsigned)(name) == (unsigned)(value), #name);
#define SIZE(type, size, alignment) _Static_assert(sizeof(type) == (size) && _Alignof(type) == (alignment), #type);
#define OFFSET(type, field, offset) _Static_assert(offsetof(type, field) == (offset), #type "." #field);
#include "facts.h"
C
$cc -std=gnu11 -D_WIN32_WINNT=0x0A00 -I"$work" -fsyntax-only "$work/facts.c" || failed=1
echo "headers: $(grep -c ENUMERATOR "$work/facts.h") enumerators, $(grep -c SIZE "$work/facts.h") sizes, $(grep -c OFFSET "$work/facts.h") offsets"
exit $failed
