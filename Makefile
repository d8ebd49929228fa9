# make              the program, at build/grafana-images
# make run          the whole thing on this machine: prints an address that opens
# make test         every test (installs the Debian packages that it needs)
# make coverage     which lines the tests ran, and which not
# make fuzz         T=NAME SECONDS=N: one of tests/fuzz
# make torture      each call that can fail fails, in turn: minutes
# make soak         SECONDS=N: calls fail at random, for so long
# make bench        how quick it is, beside others: tests/bench/README.md
# make check        the quick tests and the linters: no network, no servers
# make install      DESTDIR= PREFIX=
# make deb          the Debian package, at build/*.deb (needs: apt-get build-dep .)
# make image        the container image, at build/grafana-images.oci.tar
# make dist         the source of HEAD, at build/grafana-images-VERSION.tar.gz
# make test-platforms  the image, the Dockerfile, the manifests, Debian 13 (as root)
# make format       the sources, by clang-format
# make clean
#
# SAN=address,undefined or SAN=thread builds and tests with sanitizers, apart
# from the rest, in build/SAN.

CC       ?= cc
CFLAGS   ?= -O2 -g
PREFIX   ?= /usr/local
PORT     ?= 8080
SAN      ?=
comma    := ,
BUILD    := build$(if $(SAN),/$(firstword $(subst $(comma), ,$(SAN))))
PYTEST   ?= /usr/bin/python3 -m pytest

PACKAGES := libfcgi libcurl json-c libdeflate zlib libcrypto libssl libseccomp
PKG      := $(filter-out libfcgi,$(PACKAGES)) # Debian's libfcgi-dev has no .pc
LIBS      = $(shell pkg-config --libs $(PKG)) -lfcgi -lpthread

WARN     := -Wall -Wextra -Wpedantic -Wformat=2 -Wconversion -Wsign-conversion \
            -Wimplicit-fallthrough -Wshadow -Wvla -Wnull-dereference -Wundef \
            -Wstrict-prototypes -Wmissing-prototypes -Wcast-qual -Wwrite-strings \
            -Wcast-align -Werror=format-security -Werror=implicit \
            -Werror=incompatible-pointer-types -Werror=int-conversion \
            $(if $(WERROR),-Werror)
HARDEN   := -fstack-clash-protection -fstack-protector-strong -fcf-protection=full \
            -fPIE -fexceptions -fno-delete-null-pointer-checks \
            -fno-strict-overflow -fno-strict-aliasing \
            $(if $(findstring clang,$(CC)),,-ftrivial-auto-var-init=zero) \
            -fno-common -fvisibility=hidden
FORTIFY  := $(if $(SAN),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
SANITIZE := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer \
            $(if $(findstring undefined,$(SAN)),-fno-sanitize-recover=all))
HARDLINK := -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack \
            -Wl,-z,separate-code -Wl,--as-needed

ALL_C     = -std=c11 -D_GNU_SOURCE -Isrc -Icgi $(FORTIFY) $(CPPFLAGS) $(WARN) \
            $(HARDEN) $(CFLAGS) $(SANITIZE) -MMD -MP
ALL_LD    = $(HARDLINK) $(SANITIZE) $(LDFLAGS)

SRC      := $(patsubst src/%.c,$(BUILD)/src/%.o,$(wildcard src/*/*.c))
CGI      := $(patsubst cgi/%.c,$(BUILD)/cgi/%.o,$(wildcard cgi/*.c cgi/*/*.c))
PARTS    := $(SRC) $(filter-out %/main.o %/memory.o,$(CGI)) # all but main, for tests
UNITS    := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
HELPERS  := $(patsubst tests/unit/%.c,$(BUILD)/unit/%.o, \
            $(filter-out $(wildcard tests/unit/test_*.c),$(wildcard tests/unit/*.c)))
STANDIN  := $(patsubst tests/standin/%.c,$(BUILD)/standin/%.o,$(wildcard tests/standin/*.c))
FUZZ     := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
REPLAYS  := $(patsubst %,$(BUILD)/fuzz/replay_%,$(FUZZ))
ORACLE   := $(BUILD)/unit/png_oracle.o
DECODERS := -lpng -lspng -lstb
BENCHES  := $(patsubst %,$(BUILD)/bench/%,load stages s3_put)
LINTS    := $(wildcard tests/lint/*.sh)

# make V=1 shows the commands whole
Q        := $(if $(V),,@)
say       = $(if $(V),,@echo "  $(1)  $@")

all: $(BUILD)/grafana-images

$(BUILD)/grafana-images: $(SRC) $(CGI)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LD) -o $@ $^ $(LIBS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_C) -c -o $@ $<

$(BUILD)/%.o: tests/%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_C) -c -o $@ $<

$(BUILD)/unit/test_%: $(BUILD)/unit/test_%.o $(HELPERS) $(PARTS)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LD) -o $@ $^ $(LIBS) $(DECODERS)

$(BUILD)/fuzz/replay_%: $(BUILD)/fuzz/fuzz_%.o $(BUILD)/fuzz/replay.o $(ORACLE) $(PARTS)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LD) -o $@ $^ $(LIBS) $(DECODERS)

$(BUILD)/fuzz/fuzz_%: $(BUILD)/fuzz/fuzz_%.o $(ORACLE) $(PARTS)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LD) -fsanitize=fuzzer -o $@ $^ $(LIBS) $(DECODERS)

$(STANDIN): override CPPFLAGS += $(shell pkg-config --cflags cairo fontconfig)
$(BUILD)/grafana-standin: $(STANDIN) $(BUILD)/src/base/buf.o
	$(call say,LD)
	$(Q)$(CC) $(ALL_LD) -o $@ $^ $(shell pkg-config --libs cairo fontconfig libdeflate libcrypto) -lm

# For LD_PRELOAD.  Never sanitized itself; a sanitizer keeps malloc to itself.
$(BUILD)/nth.so: tests/faults/nth.c
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra $(if $(WERROR),-Werror) -fvisibility=hidden -fPIC -shared \
	  $(if $(SAN),-DNTH_KEEPS_MALLOC) -o $@ $<

run: deps
	$(MAKE) all build/grafana-standin
	PORT=$(PORT) GRAFANA='$(GRAFANA)' TOKEN_FILE='$(TOKEN_FILE)' tests/run

deps:
	tests/deps

deps-test:
	tests/deps test

check: $(UNITS) $(REPLAYS) $(BENCHES) $(BUILD)/grafana-images
	BUILD=$(BUILD) prove --timer $(UNITS) $(REPLAYS) $(if $(SAN),,$(LINTS))

# The stand-in is never sanitized, nor slowed down otherwise: it must keep up.
PLAIN    := $(MAKE) SAN= BUILD=build CFLAGS='-O2 -g' CPPFLAGS= LDFLAGS=
e2e: $(BUILD)/grafana-images $(BUILD)/nth.so
	$(PLAIN) build/grafana-standin build/bench/load
	BUILD=$(BUILD) tests/e2e/private $(PYTEST) -p no:cacheprovider -q $(or $(E2E),tests/e2e)

hubot:
	$(PYTEST) -p no:cacheprovider -q tests/hubot

torture soak: $(BUILD)/grafana-images $(BUILD)/nth.so
	$(PLAIN) build/grafana-standin
	BUILD=$(BUILD) tests/e2e/private $(firstword $(PYTEST)) -B tests/faults/$@.py $(if $(filter soak,$@),$(SECONDS))

# Confined, nobody could write down what ran: the sandbox is left out, as in a
# sanitizer's build.  What root's tests began, other users' processes go on with.
COVER    := CFLAGS='-O1 -g --coverage' LDFLAGS=--coverage CPPFLAGS=-DUNCONFINED=1 BUILD=build/coverage
coverage:
	rm -rf build/coverage
	-$(MAKE) $(COVER) LINTS= all check
	for f in $$(find build/coverage -name '*.gcno'); do : >>$${f%no}da; done
	chmod -R a+rwX build/coverage
	-$(MAKE) $(COVER) e2e
	tests/coverage build/coverage

# What it finds is in build/fuzz/found; put it into tests/fuzz/corpus/NAME.
SECONDS ?= 60
fuzz:
	$(MAKE) CC=clang SAN=fuzzer-no-link,address,undefined BUILD=build/fuzz \
	  build/fuzz/fuzz/fuzz_$(T)
	mkdir -p build/fuzz/found build/fuzz/corpus/$(T)
	build/fuzz/fuzz/fuzz_$(T) -max_total_time=$(SECONDS) -print_final_stats=1 -timeout=10 \
	  -artifact_prefix=build/fuzz/found/ build/fuzz/corpus/$(T) tests/fuzz/corpus/$(T)

# What serving takes is repeated with sanitizers; all of it by hand, such as by
# "make SAN=thread e2e".
CORE     := $(patsubst %,tests/e2e/test_%.py,cgi life save sharing uploads)
test: deps-test
	$(MAKE) WERROR=1 check e2e hubot
	$(MAKE) WERROR=1 CC=clang SAN= BUILD=build/clang all
	$(MAKE) SAN=address,undefined check e2e E2E='$(CORE)'
	$(MAKE) SAN=thread check e2e E2E='$(CORE)'

$(BUILD)/bench/load: $(BUILD)/bench/load.o $(BUILD)/bench/ask.o
	$(call say,LD)
	$(Q)$(CC) $(ALL_LD) -o $@ $^

$(BUILD)/bench/stages $(BUILD)/bench/s3_put: $(BUILD)/bench/%: $(BUILD)/bench/%.o $(ORACLE) $(SRC)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LD) -o $@ $^ $(LIBS) $(DECODERS)

# In a mount namespace of its own: its file systems end with it.
bench:
	tests/deps bench
	$(MAKE) SAN= BUILD=build all build/grafana-standin build/bench/load build/bench/stages
	unshare --mount tests/bench/bench.py

install: $(BUILD)/grafana-images
	install -D -m 755 $(BUILD)/grafana-images $(DESTDIR)$(PREFIX)/bin/grafana-images
	install -D -m 644 cgi/grafana-images.8 $(DESTDIR)$(PREFIX)/share/man/man8/grafana-images.8

# In a copy of the tree, so that it stays as it is.
deb:
	rm -rf build/deb
	mkdir -p build/deb/source
	tar -c --exclude=./build --exclude=./.git --exclude=__pycache__ --exclude=node_modules . | \
	  tar -x -C build/deb/source
	cd build/deb/source && dpkg-buildpackage -b -us -uc
	mv build/deb/grafana-images*_*.* build
	rm -rf build/deb

# Its times are those of the commit, so that it can be made again.
dist: NAME := grafana-images-$(shell dpkg-parsechangelog -S Version)
dist:
	@mkdir -p build
	git archive --format=tar --prefix=$(NAME)/ HEAD | gzip -9n >build/$(NAME).tar.gz
	@cd build && sha256sum $(NAME).tar.gz

image:
	tests/deps image
	deploy/container/build

test-platforms:
	tests/deps platforms
	$(MAKE) SAN= BUILD=build build/grafana-standin
	unshare --mount $(PYTEST) -p no:cacheprovider -q --durations=8 $(or $(E2E),tests/platforms)

format:
	clang-format -i src/*/*.[ch] cgi/*.[ch] cgi/*/*.[ch] tests/*/*.[ch]

clean:
	rm -rf build

.PHONY: all run deps deps-test check e2e hubot test bench torture soak fuzz coverage install deb \
  dist image test-platforms format clean
.SECONDARY:
-include $(wildcard $(BUILD)/*/*.d $(BUILD)/*/*/*.d)
