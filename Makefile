# Every verb of the project.  `make` alone prints them; flags go through ARGS:
#     make train-sentiment ARGS="--cell peephole_lstm --epochs 3"

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

# The first Python on this machine that TensorFlow 2.21 has wheels for.
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c '$(SUPPORTED)' 2>/dev/null && echo $$p && break; done)
TENSORFLOW ?= tensorflow
VENV := .venv
RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
BACKENDS := .venv-backends
ARGS ?=
# The tests of a file stay on one core: some share one training.  The apps come
# first, as their files do: few tests that take long would make a core wait.
WORKERS := -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# One name, four places: apps/video_labeling is `make train-video-labeling`.
APPS := $(subst _,-,$(patsubst apps/%/train.py,%,$(wildcard apps/*/train.py)))
app = $(subst -,_,$(patsubst $(1)-%,%,$@))

$(INSTALLED): requirements.txt constraints.txt
	@$(or $(PYTHON),false) -c '$(SUPPORTED)' || { \
		echo "error: Python 3.11, 3.12 or 3.13 is needed;" \
			"name one: make PYTHON=/path/to/python3.12" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	sed 's/^tensorflow==/$(TENSORFLOW)==/' requirements.txt > $(VENV)/requirements.txt
	sed 's/^tensorflow==/$(TENSORFLOW)==/' constraints.txt > $(VENV)/constraints.txt
	$(RUN) -m pip install --quiet --disable-pip-version-check \
		-r $(VENV)/requirements.txt -c $(VENV)/constraints.txt
	@touch $@

.PHONY: help
help: ## Print this list
	@echo "make <target> [ARGS=\"flags\"], for example make train-sentiment ARGS=\"--epochs 3\""
	@awk -v apps="$(APPS)" -F ': .*## ' '/^[^\t#].*: .*## / { \
		if (match($$1, /APPS:%=[a-z]+-/)) { \
			verb = substr($$1, RSTART + 7, RLENGTH - 7); \
			n = split(apps, a, " "); \
			for (i = 1; i <= n; i++) printf "  %-28s %s\n", verb a[i], $$2 \
		} else printf "  %-28s %s\n", $$1, $$2 }' Makefile

.PHONY: install
install: $(INSTALLED) ## Make .venv with everything (TENSORFLOW=tensorflow-cpu: the half-size wheel)

.PHONY: $(APPS:%=train-%)
$(APPS:%=train-%): train-%: $(INSTALLED) ## Train on the demo data or your own, test once, export
	@$(RUN) -m apps.$(call app,train).train $(ARGS)

.PHONY: $(APPS:%=evaluate-%)
$(APPS:%=evaluate-%): evaluate-%: $(INSTALLED) ## Score a finished run
	@$(RUN) -m apps.$(call app,evaluate).evaluate $(ARGS)

.PHONY: $(APPS:%=predict-%)
$(APPS:%=predict-%): predict-%: $(INSTALLED) ## Use a finished run on input of yours
	@$(RUN) -m apps.$(call app,predict).predict $(ARGS)

.PHONY: $(APPS:%=export-%)
$(APPS:%=export-%): export-%: $(INSTALLED) ## Write a run's SavedModel, which needs tensorflow alone
	@$(RUN) -m apps.$(call app,export).export $(ARGS)

.PHONY: label-stream
label-stream: $(INSTALLED) ## Label a video frame by frame, as it comes
	@$(RUN) -m apps.video_labeling.stream $(ARGS)

.PHONY: results
results: $(INSTALLED) ## Print a table of all finished runs, seeds together
	@$(RUN) -m apps.common.results $(ARGS)

.PHONY: tensorboard
tensorboard: $(INSTALLED) ## Watch all runs at http://127.0.0.1:6006
	@$(RUN) -m tensorboard.main --logdir runs --host 127.0.0.1 $(ARGS)

.PHONY: test
test: $(INSTALLED) ## Run the tests (under 10 minutes on 2 cores)
	@$(RUN) -m pytest -m "not slow" $(WORKERS) $(ARGS)

.PHONY: test-slow
test-slow: $(INSTALLED) ## Run the tests that train whole models
	@$(RUN) -m pytest -m slow $(WORKERS) $(ARGS)

$(BACKENDS)/.installed: requirements-backends.txt | $(INSTALLED)
	$(RUN) -m venv $(BACKENDS)
	$(BACKENDS)/bin/python -m pip install --quiet --disable-pip-version-check \
		-r requirements-backends.txt -c $(VENV)/constraints.txt
	@touch $@

# JAX needs to be told of float64, and compiles small tests too thoroughly.
.PHONY: test-backends
test-backends: $(BACKENDS)/.installed ## Run the layers' tests on JAX and torch (15 minutes on 2 cores)
	@failed=; for backend in jax torch; do echo "$$backend:"; \
		KERAS_BACKEND=$$backend JAX_ENABLE_X64=1 JAX_DISABLE_MOST_OPTIMIZATIONS=1 \
		$(BACKENDS)/bin/python -m pytest -m "not slow" tests/rnn_layers \
		-n auto --maxprocesses 4 $(ARGS) || failed=1; done; test -z "$$failed"

.PHONY: bench-layers
bench-layers: $(INSTALLED) ## Time our layers beside Keras's (and torch's, if it is installed)
	@$(RUN) -m benchmarks.layers $(ARGS)

.PHONY: bench-decoding
bench-decoding: $(INSTALLED) ## Time greedy and beam search beside `predict` once a token
	@$(RUN) -m benchmarks.decoding $(ARGS)

.PHONY: bench-adding-and-copy
bench-adding-and-copy: $(INSTALLED) ## What every cell remembers: two tasks of long lags (half an hour)
	@$(RUN) -m benchmarks.adding_and_copy $(ARGS)

.PHONY: bench-digits
bench-digits: $(INSTALLED) ## All cells on handwritten digits, pixel by pixel (half an hour)
	@$(RUN) -m benchmarks.digits $(ARGS)

.PHONY: bench-chorales
bench-chorales: $(INSTALLED) ## All cells on polyphonic music: yours, or made here
	@$(RUN) -m benchmarks.chorales $(ARGS)

.PHONY: lint
lint: $(INSTALLED) ## Check style and format
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .

.PHONY: format
format: $(INSTALLED) ## Put files into the project's format
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .

.PHONY: clean
clean: ## Delete the demo data and the encoded texts (runs stay)
	rm -rf data/cache
