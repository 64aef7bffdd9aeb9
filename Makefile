# The everyday commands. Each installs what it needs (scripts/install-deps), configures a build
# directory of its own once, builds, and does its job. `make help` lists them.

.DEFAULT_GOAL := help
.PHONY: help demo test long test-all docs dist bench asan tsan valgrind fuzz crash masks model \
	real coverage tidy clang lto posix musl i686 aarch64 armhf s390x install clean
MAKEFLAGS += --no-print-directory

FUZZ_SECONDS ?= 30
PREFIX ?= /usr/local

# gcc where it is there (and clang where asked for); asked of the shell, after install-deps has run.
GCC = $$(command -v gcc || command -v cc)
CLANG = $$(command -v clang || command -v cc)
SLOW = HEALD_TEST_SLOW=5 HEALD_TEST_LIMIT=900
ASAN_ENV = ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 \
	UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
TSAN_ENV = TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:die_after_fork=0

# $(call build,DIRECTORY,COMPILER,OPTIONS[,TARGET]): configures DIRECTORY when it is new; builds it.
build = @mkdir -p $(1); [ -f $(1)/build.ninja ] || \
	CC="$(2)" meson setup $(1) $(3) >$(1)/setup.log || { cat $(1)/setup.log; exit 1; }; \
	echo "building in $(1)"; ninja -C $(1) --quiet $(4)
deps = @scripts/install-deps $(1)

help: ## this list
	@awk -F ': .*## ' '/^[a-z-]+: .*## /{ printf "  make %-10s %s\n", $$1, $$2 }' Makefile

demo: ## serve the project's documents, over each back end in turn
	$(call deps,build)
	$(call build,build,$(GCC),-Dwerror=true,cmd/heald/heald)
	@scripts/demo build

# Slices of the long proofs, and whatever mostly repeats others elsewhere: half of the time of all.
LONG = aio-crash aio-eventfd aio-real aio-threads-growth aio-uring-growth await-stress await-wakes \
	cost crash differential fault model old-kernel serve-limits soak

# `make demo` may have configured build/ before check was installed.
tested = $(call deps,test); \
	[ ! -f build/build.ninja ] || [ -f build/test/tests.list ] || \
		meson setup --reconfigure build >build/setup.log || { cat build/setup.log; exit 1; }

test: ## build with gcc, no warnings allowed, and run the tests
	$(tested)
	$(call build,build,$(GCC),-Dwerror=true)
	@scripts/run-tests build $(addprefix -,$(LONG))

long: ## the tests that `make test` leaves out
	$(tested)
	$(call build,build,$(GCC),-Dwerror=true)
	@scripts/run-tests build $(LONG)

test-all: ## all tests
	$(tested)
	$(call build,build,$(GCC),-Dwerror=true)
	@scripts/run-tests build

docs: ## the documents as a site, in build-docs/site; every link is followed
	$(call deps,docs)
	@scripts/build-docs

dist: ## the archive of a release, in build-dist/meson-dist; builds it and runs tests from it
	$(call deps,test)
	$(call build,build-dist,$(GCC),-Dwerror=true)
	@meson dist -C build-dist --include-subprojects --no-tests --formats xztar

bench: ## measure, against the peers; the figures of docs/BENCHMARKS.md
	$(call deps,bench)
	$(call build,build-bench,$(GCC),--buildtype=release -Dbench=true -Dtests=false)
	@bench/run build-bench

asan: ## the tests with AddressSanitizer and UndefinedBehaviorSanitizer
	$(call deps,test)
	$(call build,build-asan,$(GCC),-Dwerror=true -Db_sanitize=address$(comma)undefined)
	@HEALD_HOSTILE_SECONDS=60 $(SLOW) $(ASAN_ENV) scripts/run-tests build-asan

tsan: ## the tests with ThreadSanitizer (clang)
	$(call deps,test)
	$(call build,build-tsan,$(CLANG),-Dwerror=true -Db_sanitize=thread -Db_lundef=false)
	@$(SLOW) $(TSAN_ENV) scripts/run-tests build-tsan

# Without io_uring: valgrind (3.19) lets no other thread run while one waits in io_uring_enter(), so
# a loop waits for ever for a post, and it does not see what the kernel writes for a ring. Without
# the scripts, which would not run under it, and crash, whose single steps would be valgrind's own.
# It does not know pidfd_open, openat2, epoll_pwait2 and futex_waitv and says so at each call; what
# it says is left out, and heald does without them.
VALGRIND = valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite \
	--suppressions=$(CURDIR)/test/valgrind.supp
VALGRIND_TESTS = aio-threads-files aio-threads-list aio-threads-order aio-threads-streams \
	aio-threads-sync conformance cplusplus differential fault fuzz harness shm map sim unit
VALGRIND_WORDS = ^--[0-9]+-- (WARNING: unhandled|You may be able|Read the file|Nevertheless|it at )

valgrind: SHELL = /bin/bash
valgrind: .SHELLFLAGS = -o pipefail -c
valgrind: ## the compiled tests under valgrind, without io_uring
	$(call deps,test)
	$(call build,build,$(GCC),-Dwerror=true)
	@HEALD_NO_URING=1 $(SLOW) HEALD_TEST_WRAPPER="$(VALGRIND)" \
		scripts/run-tests build $(VALGRIND_TESTS) 2>&1 | \
		grep --line-buffered -v -E '$(VALGRIND_WORDS)'

fuzz: ## each fuzzer for FUZZ_SECONDS (30; 600 before a release)
	$(call deps,test)
	$(call build,build-fuzz,$(CLANG),-Dfuzz=true -Dtests=false -Db_lundef=false \
		-Db_sanitize=address$(comma)undefined)
	@scripts/run-fuzz build-fuzz $(FUZZ_SECONDS)

crash: ## kill a process at every instruction of what it does with shared objects (an hour)
	$(call deps,test)
	$(call build,build,$(GCC),-Dwerror=true)
	@HEALD_CRASH_STRIDE=1 HEALD_SOAK_KILLS=20000 HEALD_TEST_LIMIT=7200 \
		scripts/run-tests build crash killed soak standstill service-stopped converge shm-barrier

model: ## search the models of shared objects and aio with spin, all of them (10 minutes, 6 GB)
	$(call deps,test)
	@HEALD_MODEL=all test/model/run

masks: ## conformance where the kernel refuses each part of io_uring in turn (2 minutes)
	$(call deps,test)
	$(call build,build,$(GCC),-Dwerror=true)
	@HEALD_MASKS=all scripts/run-tests build masks

real: ## fio, stress-ng, perf, XRootD and MPI-IO, unmodified, on the drop-in for POSIX AIO
	$(call deps,test)
	$(call deps,real)
	$(call build,build,$(GCC),-Dwerror=true)
	@HEALD_REAL=all HEALD_TEST_LIMIT=1800 scripts/run-tests build aio-real

coverage: ## the tests, and which lines of src they ran: build-coverage/coverage/index.html
	$(call deps,test)
	$(call build,build-coverage,$(GCC),-Db_coverage=true)
	@scripts/run-tests build-coverage
	@mkdir -p build-coverage/coverage
	@gcovr --root . --filter src/ --html-details build-coverage/coverage/index.html --print-summary \
		build-coverage

tidy: ## clang-tidy
	$(call deps,test)
	$(call build,build-clang,$(CLANG),-Dwerror=true)
	@scripts/run-tidy build-clang

clang: ## build with clang, no warnings allowed
	$(call deps,test)
	$(call build,build-clang,$(CLANG),-Dwerror=true)

posix: ## the tests on the portable platform layer
	$(call deps,test)
	$(call build,build-posix,$(GCC),-Dwerror=true -Dplatform=posix)
	@scripts/run-tests build-posix

lto: ## build with link-time optimization, no warnings allowed
	$(call deps,test)
	$(call build,build-lto,$(GCC),-Dwerror=true -Db_lto=true)

# $(call cross,TARGET): what it needs, and scripts/run-cross.
cross = $(call deps,$(1)); scripts/run-cross $(1) build-$(1)

musl: ## the tests with the C library musl
	$(call cross,musl)

i686: ## the tests in 32 bits; by qemu, a slice, where the kernel has none
	$(call cross,i686)

aarch64: ## the tests on 64-bit ARM, by qemu
	$(call cross,aarch64)

armhf: ## a slice of the tests on 32-bit ARM, by qemu
	$(call cross,armhf)

s390x: ## a slice of the tests on s390x, which is big-endian, by qemu
	$(call cross,s390x)

install: ## build for release and install under PREFIX (/usr/local); DESTDIR works
	$(call deps,build)
	@[ ! -f build-release/build.ninja ] || { meson configure build-release -Dprefix=$(PREFIX) && \
		ninja -C build-release build.ninja; } >build-release/setup.log || \
		{ cat build-release/setup.log; exit 1; }
	$(call build,build-release,$(GCC),--buildtype=release -Dtests=false -Dprefix=$(PREFIX))
	@meson install -C build-release --no-rebuild --quiet
	@[ -n "$(DESTDIR)" ] || ! command -v ldconfig >/dev/null || ldconfig

clean: ## remove every build directory
	@rm -rf build build-*

comma := ,
