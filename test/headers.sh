#!/bin/sh
# headers.sh SOURCE-FOLDER HEADER...: each header compiles alone, twice included, as C11 and C++17, without a warning.
set -eu
source=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

try() {
	if "$@" >"$work/log" 2>&1; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $*"
		cat "$work/log"
	fi
}

warnings='-Wall -Wextra -Wconversion -Wsign-conversion -Werror -fsyntax-only'
for header in "$@"; do
	printf '#include "%s"\n#include "%s"\nint use;\n' "$header" "$header" >"$work/use.c"
	cp "$work/use.c" "$work/use.cc"
	for compiler in gcc clang; do
		command -v "$compiler" >/dev/null 2>&1 || continue
		# shellcheck disable=SC2086
		try "$compiler" -std=c11 -pedantic $warnings -I "$source/include" -I "$source/vmm" "$work/use.c"
	done
	for compiler in g++ clang++; do
		command -v "$compiler" >/dev/null 2>&1 || continue
		# shellcheck disable=SC2086
		try "$compiler" -std=c++17 $warnings -I "$source/include" -I "$source/vmm" "$work/use.cc"
	done
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
