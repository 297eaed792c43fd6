# The front door: every target works on a fresh Debian 12, as root or with sudo, and installs what is missing.
# LIBTORCH=DIR builds against an unpacked libtorch release there; JOBS=N sets how many files are compiled at once.
SHELL := /bin/bash
.DEFAULT_GOAL := help
JOBS ?= $(shell nproc)
STUDY ?= study
WORLD ?= out/organisms
NAME ?= almanac-tiny
FUZZ_SECONDS ?= 600

# The program and the tests share one folder and one set of flags, so that `make test` reuses the objects of `make study`.
ifdef LIBTORCH
export LIBTORCH
BUILD := build/libtorch
CTEST := ctest --test-dir $(BUILD) --output-on-failure --no-tests=error
else
BUILD := build/dev
CTEST := ctest --preset dev --no-tests=error
endif
CMAKE_BUILD := cmake --build $(BUILD) --parallel $(JOBS)

.PHONY: help packages build study test slow bench world format docs clean

help:
	@echo "make study    build ken and study the built-in model: writes $(STUDY)/report.html"
	@echo "make build    build the program alone: build/ken"
	@echo "make test     build everything and run the tests"
	@echo "make slow     kills and resumes, repeated studies, sanitizers, claims, long fuzzing, a bare Debian (hours)"
	@echo "make bench    time the hot paths"
	@echo "make world    train an organism of models/ anew from its seed: NAME=almanac-tiny (almanac takes half an hour)"
	@echo "make format   format the C++ sources in place"
	@echo "make docs     write the generated pages under docs/ again"
	@echo "make clean    remove build/"
	@echo ".ci/run       every check, as on a pull request"

packages:
	@scripts/packages.sh packages.txt

$(BUILD)/build.ninja: | packages
	cmake --preset dev -B $(BUILD)

build: $(BUILD)/build.ninja | packages
	$(CMAKE_BUILD) --target ken
	@ln -f $(BUILD)/ken build/ken

study: build
	build/ken study -o $(STUDY)
	@echo "report: $(abspath $(STUDY))/report.html"

test: $(BUILD)/build.ninja | packages
	$(CMAKE_BUILD)
	@ln -f $(BUILD)/ken build/ken
	$(CTEST)

slow: build
	@scripts/packages.sh packages-dev.txt
	FUZZ_SECONDS=$(FUZZ_SECONDS) JOBS=$(JOBS) scripts/slow

bench: $(BUILD)/build.ninja | packages
	$(CMAKE_BUILD) --target ken_bench
	$(BUILD)/ken_bench

world: build
	scripts/organism $(NAME) $(WORLD)

format:
	@scripts/packages.sh packages-dev.txt
	scripts/check_format --fix

docs: build
	build/ken methods --write-docs docs

clean:
	rm -rf build
