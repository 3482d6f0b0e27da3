# The commands of the project; `make` alone lists them. Each installs what is missing, picks a compiler that
# passes the probes (tools/compiler; CXX=... names one) and builds in build/. OPTIONS=-D... goes to CMake.

BUILD   ?= build/default
PREFIX  ?= /usr/local
JOBS    ?= $(shell nproc)
OPTIONS ?=
export JOBS

.PHONY: help build demo test bench install deb clean
help:
	@echo "make demo      build, then run the tour of the examples"
	@echo "make test      build, then run all tests, on both backends of the loop"
	@echo "make build     build everything in $(BUILD)"
	@echo "make bench     build with optimisation, then measure simul beside its peers"
	@echo "make install   install to PREFIX=$(PREFIX): headers, libraries, the command simul, CMake and pkg-config files"
	@echo "make deb       make a Debian package in build/package"
	@echo "make clean     remove build/"
	@echo "./check        what to run before a commit"

build:
	@tools/install build test
	@tools/build $(BUILD) -DCMAKE_BUILD_TYPE=Debug -DSIMUL_TESTS=ON $(OPTIONS)

demo:
	@tools/install build
	@tools/build $(BUILD) -DCMAKE_BUILD_TYPE=Debug -DSIMUL_TESTS=OFF $(OPTIONS)
	@tools/demo $(BUILD)

test: build
	@ctest --test-dir $(BUILD) --parallel $(JOBS) --output-on-failure --no-tests=error --timeout 120 --no-label-summary

bench:
	@tools/install build bench
	@bench/run all

install:
	@tools/install build
	@tools/build build/package -DCMAKE_BUILD_TYPE=RelWithDebInfo -DBUILD_SHARED_LIBS=ON -DSIMUL_TESTS=OFF \
	    -DSIMUL_EXAMPLES=OFF -DCMAKE_INSTALL_PREFIX=$(PREFIX) $(OPTIONS)
	@cmake --install build/package

deb:
	@tools/install build
	@tools/build build/package -DCMAKE_BUILD_TYPE=RelWithDebInfo -DBUILD_SHARED_LIBS=ON -DSIMUL_TESTS=OFF \
	    -DSIMUL_EXAMPLES=OFF -DCMAKE_INSTALL_PREFIX=/usr $(OPTIONS)
	@cd build/package && cpack -G DEB

clean:
	rm -rf build
