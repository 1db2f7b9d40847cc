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
NIGHTLY := .venv-nightly
ARGS ?=
# The tests of an app stay in one process, which shares its trainings.  The apps
# come first, as their files do: few tests that take long would make a core wait.
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

##@ Set up

# Lines that begin with ##@ are headings; every app has the targets with APP.
.PHONY: help
help: ## Print this list
	@echo 'make <target> [ARGS="flags"]    e.g. make train-sentiment ARGS="--epochs 3"'
	@echo 'ARGS="--help" lists the flags of a target.'
	@awk -v apps="$(APPS)" -F ': .*## ' ' \
		BEGIN { gsub(/ /, ", ", apps) } \
		/^##@ / { sub(/^##@ /, "\n"); sub(/APPS/, apps); print; next } \
		/^[^\t#].*: .*## / { \
			sub(/^\$$\(APPS:%=/, "", $$1); sub(/%\).*/, "APP", $$1); \
			printf "  %-22s %s\n", $$1, $$2 }' Makefile

.PHONY: install
install: $(INSTALLED) ## Make .venv (TENSORFLOW=tensorflow-cpu: small wheel)

.PHONY: install-jax
install-jax: $(INSTALLED) ## Add JAX to .venv, for --distribute
	$(RUN) -m pip install --quiet --disable-pip-version-check \
		-r requirements-distributed.txt -c $(VENV)/constraints.txt

.PHONY: install-formats
install-formats: $(INSTALLED) ## Add ONNX and LiteRT to .venv, for export --format
	$(RUN) -m pip install --quiet --disable-pip-version-check \
		-r requirements-formats.txt -c $(VENV)/constraints.txt

##@ Apps; APP is one of: APPS

.PHONY: $(APPS:%=train-%)
$(APPS:%=train-%): train-%: $(INSTALLED) ## Train on the demo or your own data, test, export
	@$(RUN) -m apps.$(call app,train).train $(ARGS)

.PHONY: $(APPS:%=check-%)
$(APPS:%=check-%): check-%: $(INSTALLED) ## Look at the data before a training: pages, leaks, costs
	@$(RUN) -m apps.common.check --app $(call app,check) $(ARGS)

.PHONY: $(APPS:%=sweep-%)
$(APPS:%=sweep-%): sweep-%: $(INSTALLED) ## Search for better settings, test the best ones
	@$(RUN) -m apps.common.sweep --app $(call app,sweep) $(ARGS)

.PHONY: $(APPS:%=evaluate-%)
$(APPS:%=evaluate-%): evaluate-%: $(INSTALLED) ## Score a finished run
	@$(RUN) -m apps.$(call app,evaluate).evaluate $(ARGS)

.PHONY: $(APPS:%=report-%)
$(APPS:%=report-%): report-%: $(INSTALLED) ## Test a finished run again, draw its report anew
	@$(RUN) -m apps.common.redraw --app $(call app,report) $(ARGS)

.PHONY: $(APPS:%=predict-%)
$(APPS:%=predict-%): predict-%: $(INSTALLED) ## Apply a finished run to your input
	@$(RUN) -m apps.$(call app,predict).predict $(ARGS)

.PHONY: $(APPS:%=export-%)
$(APPS:%=export-%): export-%: $(INSTALLED) ## Write a run as SavedModel, ONNX, LiteRT
	@$(RUN) -m apps.$(call app,export).export $(ARGS)

.PHONY: $(APPS:%=publish-%)
$(APPS:%=publish-%): publish-%: $(INSTALLED) ## Copy a run for others: --to FOLDER or hf://name
	@$(RUN) -m apps.common.publish --app $(call app,publish) $(ARGS)

.PHONY: label-stream
label-stream: $(INSTALLED) ## Label a video live (video-labeling only)
	@$(RUN) -m apps.video_labeling.stream $(ARGS)

.PHONY: new-app
new-app: $(INSTALLED) ## Copy an app: make new-app FROM=captioning NAME=signs
	@$(RUN) -m apps.common.new_app --source "$(FROM)" --name "$(NAME)"

##@ Runs

.PHONY: results
results: $(INSTALLED) ## Print a table of all finished runs, seeds together
	@$(RUN) -m apps.common.results $(ARGS)

.PHONY: demo
demo: $(INSTALLED) ## Try all runs on web pages at http://127.0.0.1:8000
	@$(RUN) -m apps.common.serving.server $(ARGS)

.PHONY: tensorboard
tensorboard: $(INSTALLED) ## Watch all runs at http://127.0.0.1:6006
	@$(RUN) -c "import apps, tensorboard.main; tensorboard.main.run_main()" --logdir runs --host 127.0.0.1 $(ARGS)

.PHONY: clean
clean: ## Delete the demo data and the caches (runs stay)
	rm -rf data/cache

##@ Tests and style

.PHONY: test
test: $(INSTALLED) ## Run the tests (about 5 minutes on 2 cores)
	@$(RUN) -m pytest -m "not slow and not browser" $(WORKERS) $(ARGS)

.PHONY: test-slow
test-slow: $(INSTALLED) ## Run the tests that train whole models (25 minutes)
	@$(RUN) -m pytest -m slow $(WORKERS) $(ARGS)

.PHONY: test-browser
test-browser: $(INSTALLED) ## Test the web pages in Chromium, where there is one
	@$(RUN) -m pytest -m browser tests/apps/common/serving $(ARGS)

$(BACKENDS)/.installed: requirements-backends.txt | $(INSTALLED)
	$(RUN) -m venv $(BACKENDS)
	$(BACKENDS)/bin/python -m pip install --quiet --disable-pip-version-check \
		-r requirements-backends.txt -c $(VENV)/constraints.txt
	@touch $@

# JAX needs to be told of float64, and compiles small tests too thoroughly.
.PHONY: test-backends
test-backends: $(BACKENDS)/.installed ## Run the layers' tests on JAX and torch (15 minutes)
	@failed=; for backend in jax torch; do echo "$$backend:"; \
		KERAS_BACKEND=$$backend JAX_ENABLE_X64=1 JAX_DISABLE_MOST_OPTIMIZATIONS=1 \
		$(BACKENDS)/bin/python -m pytest -m "not slow" tests/rnn_layers \
		-n auto --maxprocesses 4 $(ARGS) || failed=1; done; test -z "$$failed"

$(NIGHTLY)/.installed: requirements.txt | $(INSTALLED)
	$(RUN) -m venv $(NIGHTLY)
	$(NIGHTLY)/bin/python -m pip install --quiet --disable-pip-version-check \
		-r $(VENV)/requirements.txt -c $(VENV)/constraints.txt
	$(NIGHTLY)/bin/python -m pip uninstall --quiet --yes keras
	$(NIGHTLY)/bin/python -m pip install --quiet --disable-pip-version-check \
		--no-deps keras-nightly
	@touch $@

.PHONY: test-nightly
test-nightly: $(NIGHTLY)/.installed ## Run the layers' tests on Keras's nightly build
	@$(NIGHTLY)/bin/python -m pytest -m "not slow" tests/rnn_layers $(WORKERS) $(ARGS)

.PHONY: lint
lint: $(INSTALLED) ## Check style and format
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .

.PHONY: format
format: $(INSTALLED) ## Put files into the project's format
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .

##@ Benchmarks

.PHONY: bench-layers
bench-layers: $(INSTALLED) ## Time our layers beside Keras's and torch's
	@$(RUN) -m benchmarks.layers $(ARGS)

.PHONY: bench-crf
bench-crf: $(INSTALLED) ## Time a training step with a CRF beside a softmax
	@$(RUN) -m benchmarks.crf $(ARGS)

.PHONY: bench-distributed
bench-distributed: $(INSTALLED) ## Time two processes beside one (20 minutes, needs JAX)
	@$(RUN) -m benchmarks.distributed $(ARGS)

.PHONY: bench-decoding
bench-decoding: $(INSTALLED) ## Time decoding beside one `predict` a token
	@$(RUN) -m benchmarks.decoding $(ARGS)

.PHONY: bench-serving
bench-serving: $(INSTALLED) ## Time 2,000 requests, batched beside one by one
	@$(RUN) -m benchmarks.serving $(ARGS)

.PHONY: bench-adding-and-copy
bench-adding-and-copy: $(INSTALLED) ## All cells on two tasks of long lags (half an hour)
	@$(RUN) -m benchmarks.adding_and_copy $(ARGS)

.PHONY: bench-digits
bench-digits: $(INSTALLED) ## All cells on digits, pixel by pixel (half an hour)
	@$(RUN) -m benchmarks.digits $(ARGS)

.PHONY: bench-chorales
bench-chorales: $(INSTALLED) ## All cells on polyphonic music, yours or generated
	@$(RUN) -m benchmarks.chorales $(ARGS)

.PHONY: bench-word-vectors
bench-word-vectors: $(INSTALLED) ## Train word vectors beside gensim, if that is installed
	@$(RUN) -m benchmarks.word_vectors $(ARGS)

.PHONY: bench-ped2
bench-ped2: $(INSTALLED) ## Cross-validate cells on your copy of Ped2 (15 minutes)
	@$(RUN) -m benchmarks.ped2 $(ARGS)

.PHONY: bench-steps
bench-steps: $(INSTALLED) ## Training steps of pictures and videos beside their products
	@$(RUN) -m benchmarks.steps $(ARGS)
