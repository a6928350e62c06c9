# Every target sets up what it needs; nothing is repeated while pyproject.toml and requirements.lock stay as they are.
SHELL := /bin/bash
BIN := .venv/bin
READY := .venv/.ready
# Where it is set, every process would compile torch anew: 15 s of each start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-text check lock clean bench-engine bench-quality bench-evaluation bench-netflix bench-model bench-serving bench-loss bench-training-memory bench-large-catalogue
.DEFAULT_GOAL := demo

demo: $(READY)  ## the whole loop on real data: make demo ARGS="--events 15000 --json"
	@$(BIN)/millstream demo $(ARGS)

test: check  ## every check and every test: make test ARGS="tests/unit -k history"
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)  # in the order of tests/conftest.py

test-text: $(READY)  ## the sentence model, whose packages it installs apart from the others
	@deploy/setup.sh text
	@TEST_TEXT=1 PYTHONPATH=.venv/share/text $(BIN)/python -m pytest tests/unit/training/test_text_embedding.py $(ARGS)

check: $(READY)  ## style, types and import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench-engine: $(READY)  ## docs/benchmarks/engine.json and its plot anew, most of an hour: make bench-engine ARGS="latency"
	@$(BIN)/python docs/benchmarks/measure_engine.py $(ARGS)

bench-quality: $(READY)  ## docs/benchmarks/quality.md anew, hours: make bench-quality ARGS="--data DIR ml-1m/temporal"
	@$(BIN)/python docs/benchmarks/measure_quality.py $(ARGS)

bench-evaluation: $(READY)  ## how fast evaluating is: docs/benchmarks/evaluation.json, some minutes
	@$(BIN)/python docs/benchmarks/measure_evaluation.py $(ARGS)

bench-netflix: $(READY)  ## 100 million rows in the Netflix format: docs/benchmarks/netflix.json
	@$(BIN)/python docs/benchmarks/measure_netflix.py $(ARGS)

bench-model: $(READY)  ## presets under protocols, half an hour each with base: make bench-model ARGS="--data DIR ml-1m/leave-one-out/base"
	@$(BIN)/python docs/benchmarks/measure_model.py $(ARGS)

bench-serving: $(READY)  ## users a second, memory and 8 bits of each preset: docs/benchmarks/serving.json
	@$(BIN)/python docs/benchmarks/measure_serving.py $(ARGS)

bench-loss: $(READY)  ## what a step costs under each softmax, by the number of items, some minutes
	@$(BIN)/python docs/benchmarks/measure_loss.py $(ARGS)

bench-training-memory: $(READY)  ## peak memory of a fit by the length of its log, some minutes
	@$(BIN)/python docs/benchmarks/measure_training_memory.py $(ARGS)

bench-large-catalogue: $(READY)  ## the best 20 of a million items, exactly and in two stages
	@$(BIN)/python docs/benchmarks/measure_large_catalogue.py $(ARGS)

lock:  ## exact versions anew, from pyproject.toml
	@deploy/setup.sh lock

clean:  ## the environment and the caches of the checks; not your data in .millstream
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info build dist

$(READY): pyproject.toml requirements.lock deploy/setup.sh
	@deploy/setup.sh
