# A thin front for CMake (see CMakePresets.json). `make` builds build/vmaccel, build/libvmaccel.a and build/libvmaccel.so.
PREFIX ?= /usr/local
DESTDIR ?=
SECONDS_EACH ?= own
N ?= 100000000
SEED ?= $(shell date +%s)
VMA_CHECK ?=

.PHONY: all deps demo check check-all bench fuzz rigs silicon install clean help
all:
	@scripts/deps build
	@scripts/build release

help:
	@echo 'make            build/vmaccel, build/libvmaccel.a, build/libvmaccel.so'
	@echo 'make demo       boot Debian'"'"'s kernel on the fastest accelerator of this machine'
	@echo 'make check      build and run the tests'
	@echo 'make check-all  and those for Windows, under Wine'
	@echo 'make bench      measure, each number beside its reference'
	@echo 'make fuzz       fuzz each target for SECONDS_EACH seconds, or as long as it asks for: a minute, ten minutes'
	@echo 'make rigs       the tests on a real kvm_amd, nested in a machine that QEMU emulates'
	@echo 'make silicon    N=$(N) random instructions on this processor and on the software CPU, compared'
	@echo 'make install    to $$(DESTDIR)$$(PREFIX) = $(DESTDIR)$(PREFIX)'
	@echo 'make clean      remove the build folders'

deps:
	@scripts/deps build test guest userland arm64

demo:
	@scripts/deps build guest
	@scripts/build release vmaccel_command
	@scripts/demo

check:
	@scripts/deps build test guest userland arm64 $(if $(filter all,$(VMA_CHECK)),windows)
	@VMA_CHECK=$(VMA_CHECK) scripts/check

check-all:
	@$(MAKE) check VMA_CHECK=all

bench:
	@scripts/deps build guest bench arm64
	@scripts/build release vmaccel_command vmaccel_benches
	@scripts/build linux-arm64 vmaccel_command
	@scripts/bench

fuzz:
	@scripts/deps build test
	@scripts/build asan vmaccel_fuzzers
	@scripts/fuzz build-asan $(SECONDS_EACH)

rigs:
	@scripts/deps build test bench guest
	@scripts/build release
	@test/rigs/kvm_amd.sh . build

silicon:
	@scripts/deps build
	@scripts/build release vmaccel-silicon
	@build/test/silicon/vmaccel-silicon --insns $(N) --seed $(SEED) --jobs "$$(nproc)"

install: all
	DESTDIR='$(DESTDIR)' cmake --install build --prefix '$(PREFIX)'

clean:
	rm -rf build build-*
