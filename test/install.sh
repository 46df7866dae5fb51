#!/bin/sh
# install.sh SOURCE-FOLDER BUILD-FOLDER: what `make install` puts down can be used: by pkg-config with either library, by
# find_package, and the command and its page are there.
set -eu
source=$1 build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

try() {
	name=$1
	shift
	if "$@" >"$work/log" 2>&1; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $name"
		cat "$work/log"
	fi
}

DESTDIR='' cmake --install "$build" --prefix "$work/root" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
libdir=$(dirname "$(find "$work/root" -name libvmaccel.a)")
export PKG_CONFIG_PATH="$libdir/pkgconfig" LD_LIBRARY_PATH="$libdir"

shared() {
	# shellcheck disable=SC2046
	cc -o "$work/shared" "$source/examples/hello.c" $(pkg-config --cflags --libs vmaccel) &&
		ldd "$work/shared" | grep -q "$libdir/libvmaccel.so" && [ "$("$work/shared")" = Hi ]
}
static() {
	# shellcheck disable=SC2046
	cc -o "$work/static" "$source/examples/hello.c" $(pkg-config --cflags vmaccel) "$libdir/libvmaccel.a" \
		$(pkg-config --static --libs-only-l vmaccel | sed 's/-lvmaccel//') && [ "$("$work/static")" = Hi ]
}
package() {
	mkdir "$work/user"
	cat >"$work/user/CMakeLists.txt" <<-END
		cmake_minimum_required(VERSION 3.20)
		project(user C)
		find_package(vmaccel 0.1 REQUIRED)
		add_executable(a $source/examples/hello.c)
		target_link_libraries(a vmaccel::vmaccel)
		add_executable(b $source/examples/hello.c)
		target_link_libraries(b vmaccel::static)
	END
	cmake -S "$work/user" -B "$work/user/build" -DCMAKE_PREFIX_PATH="$work/root" && cmake --build "$work/user/build" &&
		[ "$("$work/user/build/a")" = Hi ] && [ "$("$work/user/build/b")" = Hi ]
}
only_its_own_symbols() {
	! nm -D --defined-only "$libdir/libvmaccel.so" | awk '{ print $3 }' | grep -v '^vma_'
}

try 'pkg-config, shared' shared
try 'pkg-config, static' static
try 'find_package' package
try 'the shared library exports vma_ symbols only' only_its_own_symbols
try 'the command' "$work/root/bin/vmaccel" --version
try 'the man page' test -s "$work/root/share/man/man1/vmaccel.1"
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
