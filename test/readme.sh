#!/bin/sh
# readme.sh SOURCE-FOLDER EXAMPLE: the README's example is examples/hello.c to the letter, at most 30 lines long, and says "Hi".
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed -n '/^```c$/,/^```$/p' "$1/README.md" | sed '1d;$d' >"$work/readme.c"
diff -u "$1/examples/hello.c" "$work/readme.c" || { echo "README.md and examples/hello.c differ"; exit 1; }
[ "$(wc -l <"$work/readme.c")" -le 30 ] || { echo "the example is longer than 30 lines"; exit 1; }
"$2" >"$work/said" || { echo "$2 failed: $?"; exit 1; }
said=$(tr -d '\r' <"$work/said")
[ "$said" = Hi ] || { echo "it said '$said', not 'Hi'"; exit 1; }
