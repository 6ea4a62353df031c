# SPDX-License-Identifier: GPL-2.0
#
# `make help` says what there is; Documentation/building.md how it works.

# With KDIR, or where the running kernel's build tree has Rust metadata, the
# module is built on this machine as it is, by the kernel's out-of-tree
# conventions.  Otherwise it is built inside a build root.
RUNNING_KDIR := /lib/modules/$(shell uname -r)/build
ifneq ($(wildcard $(RUNNING_KDIR)/rust/libkernel.rmeta),)
KDIR ?= $(RUNNING_KDIR)
endif

ifdef KDIR
KMAKE = $(MAKE) -C $(KDIR) M=$(CURDIR) $(if $(MO),MO=$(MO)) $(1)
IN_ROOT :=
else
KMAKE = scripts/kmake $(1)
IN_ROOT := scripts/in-root
endif

ifneq ($(V),1)
Q := @
endif

# What the scripts read from the environment.
export SUITE KERNEL AUFS2_CACHE AUFS2_MIRROR AUFS2_SAMPLE V CLIPPY W LONG DEBUG AUFS2_TEST_SEED JOBS

.PHONY: modules
modules:
	+$(Q)$(call KMAKE,modules)

# A kernel which signs its modules keeps its key to itself, unless it was built
# here: see the documentation on signing.
NO_KEY = $(if $(wildcard $(KDIR)/certs/signing_key.pem),,CONFIG_MODULE_SIG_ALL=)

.PHONY: modules_install
modules_install:
ifndef KDIR
	$(error modules_install needs KDIR=, the build tree of the kernel to install for)
endif
	+$(Q)$(call KMAKE,modules_install $(NO_KEY))

.PHONY: clean
clean:
ifdef KDIR
	+$(Q)$(call KMAKE,clean)
else
	$(Q)bash -c '. scripts/lib.sh; rm -rf "$$CACHE/out/$$(hash_of "$$TOP")" "$$CACHE"/cargo/*."$$(hash_of "$$TOP")"'
endif

RUST_SOURCES = $(shell find rust tests -name '*.rs')

# `make M=... rustfmt` formats the kernel's own sources only.
.PHONY: rustfmt rustfmtcheck
rustfmt rustfmtcheck:
	$(Q)$(IN_ROOT) rustfmt $(if $(filter %check,$@),--check) --edition 2021 \
		--config-path "$$(scripts/kernel-source)/.rustfmt.toml" $(RUST_SOURCES)
	$(Q)tools/cargo fmt --all $(if $(filter %check,$@),--check)

# The programs for users: built in the build root, for this machine to run.
PROGRAMS = mount-aufs2 aubusy aufs2
.PHONY: tools tools_install
tools:
	$(Q)tools/cargo build --release --locked $(PROGRAMS:%=-p %)
	$(Q)cd "$$(tools/cargo --where)" && ls -1 $(PROGRAMS:%="$$PWD/%")
tools_install: tools
	install -D "$$(tools/cargo --where)/mount-aufs2" $(DESTDIR)/usr/sbin/mount.aufs2
	install -D "$$(tools/cargo --where)/aubusy" $(DESTDIR)/usr/sbin/aubusy
	install -D "$$(tools/cargo --where)/aufs2" $(DESTDIR)/usr/sbin/aufs2
	install -d $(DESTDIR)/usr/share/bash-completion/completions
	completions=$$(scripts/in-root "$$(tools/cargo --where)/aufs2" completions bash) && \
		echo "$$completions" > $(DESTDIR)/usr/share/bash-completion/completions/aufs2
	install -D -m 644 Documentation/man/aufs2.5 $(DESTDIR)/usr/share/man/man5/aufs2.5
	install -D -m 644 Documentation/man/aufs2.1 $(DESTDIR)/usr/share/man/man1/aufs2.1
	install -D -m 644 Documentation/man/mount.aufs2.8 $(DESTDIR)/usr/share/man/man8/mount.aufs2.8

# The Debian packages, in a clean root; DESTDIR= says where they go.
.PHONY: deb
deb:
	$(Q)scripts/deb

.PHONY: rustdoc rust-analyzer
rustdoc:
	+$(Q)$(call KMAKE,modules DOC=y)
rust-analyzer:
	+$(Q)$(if $(KDIR),$(call KMAKE,$@),scripts/rust-analyzer)

.PHONY: demo shell check check-debug check-long check-locks check-deb check-dkms check-in-tree bench
demo:
	$(Q)scripts/demo
shell:
	$(Q)scripts/shell
check:
	$(Q)scripts/check
check-debug:
	$(Q)scripts/check-debug
check-long:
	$(Q)scripts/check-long
check-locks:
	$(Q)scripts/check-locks
check-deb:
	$(Q)scripts/check-deb
check-dkms:
	$(Q)scripts/check-deb dkms
check-in-tree:
	$(Q)scripts/check-in-tree
bench: modules
	$(Q)scripts/bench

.PHONY: help
help:
	@echo 'Try it:'
	@echo '  demo            - a real system as a union, in a virtual machine'
	@echo '  shell           - a prompt there, with a union mounted on /mnt/union'
	@echo 'Check it:'
	@echo '  check           - everything, on unmodified kernels'
	@echo '  check-debug     - the tests on a kernel with every checker on'
	@echo '  check-long      - the stresses and fuzzers, for LONG=20 times as long'
	@echo '  check-locks     - whether the stresses notice a lock that is missing'
	@echo '  check-deb       - the packages: installed, booted, upgraded, purged; part of check-long'
	@echo '  check-dkms      - of these, the one that has dkms build the module'
	@echo '  check-in-tree   - the module built into a kernel, and booted; part of check-long'
	@echo '  bench           - instructions per operation, beside native and overlayfs'
	@echo 'Build it:'
	@echo '  modules         - aufs2.ko (default)'
	@echo '  modules_install - install it (needs KDIR)'
	@echo '  tools           - mount.aufs2, aubusy and aufs2'
	@echo '  tools_install   - install them and their man pages in /usr (of DESTDIR)'
	@echo '  deb             - the Debian packages, into $$AUFS2_CACHE/deb, or DESTDIR='
	@echo '  clean           - remove what was built'
	@echo '  rustfmt         - format the Rust sources'
	@echo '  rustfmtcheck    - check that they are formatted'
	@echo '  rustdoc         - documentation of the Rust sources'
	@echo '  rust-analyzer   - rust-project.json for an editor'
	@echo
	@echo '  KDIR=DIR        - build on this machine for the kernel built in DIR'
	@echo '  SUITE=trixie    - Debian suite of the build root (trixie, forky)'
	@echo '  KERNEL=7.2      - the newest such kernel of the suite, not its default'
	@echo '  CLIPPY=1 V=1 W=1 - as in the kernel'
	@echo '  JOBS=2          - so many stages of check side by side'
	@echo '  AUFS2_CACHE=DIR - what is fetched or made ($$HOME/.cache/aufs2)'
