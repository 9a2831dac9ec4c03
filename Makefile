# SPDX-License-Identifier: Apache-2.0
# A thin front of Meson: `make help` lists what there is.
BUILD ?= build
JOBS ?= $(shell nproc)
MESON_FLAGS ?=

.PHONY: all demo test check fuzz bench docs deb install help clean deps-build deps-test deps-check

all: deps-build  ## build build/heed
	@tools/build.sh $(BUILD) $(MESON_FLAGS)

demo: all  ## build, then from a made-up shop's files to explained recommendations
	@$(BUILD)/heed demo
	@command -v heed >/dev/null || printf '\n%s\n' 'to type just heed:  export PATH="$(CURDIR)/$(BUILD):$$PATH"'

test: deps-test  ## build and run every test; the last line sums them up
	@tools/build.sh $(BUILD) -Dtests=enabled $(MESON_FLAGS)
	@tools/test.sh $(BUILD)

check: deps-check  ## sanitizers, threads, faults, allocation failures, other instruction sets, fuzzing in short, layers, banned calls, format, analysis, docs, coverage
	@tools/check.sh

fuzz: deps-check  ## libFuzzer on every parser of outside bytes (FUZZ_SECONDS=60 each)
	@tools/fuzz.sh

bench: deps-test  ## figures as ratios against what the machine has
	@tools/build.sh build-release --buildtype=release
	@bench/run.sh build-release

docs: all  ## reference pages, man page and completions from the operation table
	@tools/docs.sh $(BUILD)

deb: deps-build  ## a Debian package: build-deb/heed_<version>_<arch>.deb
	@tools/build.sh build-deb --buildtype=release --prefix=/usr -Dtests=disabled
	@tools/deb.sh build-deb

install: all  ## install under PREFIX (default /usr/local), DESTDIR honoured
	@meson configure $(BUILD) --prefix=$(or $(PREFIX),/usr/local) && meson install -C $(BUILD) --no-rebuild

deps-build deps-test deps-check:
	@tools/install-deps.sh $(@:deps-%=%)

clean:  ## remove what was built
	@rm -rf $(BUILD) build-release build-asan build-cov build-fuzz build-deb

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*  ## /\1\t/p' Makefile | sort | awk -F'\t' '{printf "  make %-9s %s\n", $$1, $$2}'
