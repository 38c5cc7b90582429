# Two commands do everything on a machine that has Python 3.11.4 to 3.13 and make:
#   make demo                      set-up, then CSS and its baseline on digits
#   make test                      set-up, then the tests on installed backends
# For those who change something:
#   make lint types                ruff; pyright on the packages
#   make check                     these and a choice of the tests: minutes
#   make coverage                  what that choice of the tests runs through
#   make wheels                    both distributions built, installed and tried
# Options:
#   make test FAST=1               a choice of them in a few minutes
#   make demo BACKEND=jax          on another backend (installed if missing)
#   make test BACKENDS="tensorflow jax torch"   install these and require them
#   make test BACKENDS="jax torch" AFTER=tensorflow   only what make test left
#                                  out while TensorFlow was alone

PYTHON ?= python3
VENV ?= .venv
BACKEND ?=
BACKENDS ?=
FAST ?=
AFTER ?=

comma := ,
empty :=
space := $(empty) $(empty)
# TensorFlow is a dependency; the other backends are extras.
demo_extras := $(filter jax torch,$(BACKEND))
test_extras := $(sort dev $(filter jax torch,$(BACKENDS)))
stamp = $(VENV)/.installed$(subst $(space),,$(addprefix -,$(1)))
install = $(VENV)/bin/python -m pip install --quiet \
	--constraint constraints.txt --editable \
	".$(if $(1),[$(subst $(space),$(comma),$(strip $(1)))])"

.PHONY: demo test lint types check coverage wheels clean
demo: $(call stamp,$(demo_extras))
	$(VENV)/bin/python scripts/demo.py \
		--backend $(or $(BACKEND),tensorflow)

test: $(call stamp,$(test_extras))
	$(VENV)/bin/python tests/run_backends.py $(if $(FAST),--fast) \
		$(if $(AFTER),--after $(AFTER)) $(BACKENDS)

lint: $(call stamp,dev)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(call stamp,checks)
	$(VENV)/bin/pyright --level warning --pythonpath $(VENV)/bin/python

check: lint types
	$(MAKE) test FAST=1

# Of this process alone: what commands do in their own is not seen.
fast = $(VENV)/bin/python -c 'import sys; sys.path.insert(0, "tests"); \
	import run_backends as r; print(*(r.TESTS / name for name in r.FAST))'
coverage: $(call stamp,dev) $(call stamp,checks)
	$(VENV)/bin/coverage run -m pytest -q -m "not several" $$($(fast))
	$(VENV)/bin/coverage report --skip-empty --sort=cover

# Predicts with a student of `make demo` where one lies.
wheels: $(call stamp,checks)
	scripts/try_wheels.sh $(VENV)/bin/python \
		$(firstword $(wildcard runs/*/student.onnx))

clean:
	rm -rf $(VENV)

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit( \
		not (3, 11, 4) <= sys.version_info[:3] < (3, 14) and \
		"Python 3.11.4 to 3.13 is needed; name one with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

# One stamp for each set of extras; a second call installs nothing.
$(sort $(call stamp,$(demo_extras)) $(call stamp,$(test_extras)) \
		$(call stamp,dev) $(call stamp,checks)): pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Setting up $(VENV) (a few minutes, once)"
	$(call install,$(subst -, ,$(patsubst $(VENV)/.installed%,%,$@)))
	@touch $@
