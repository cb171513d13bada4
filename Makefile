# make demo          a synthetic data set, all experiments on it, their tables and a report
# make test          lint and all tests
# make test-faults   the tests that take minutes: kill -9 twenty times, 10,000 damaged files of each kind
# make bench         speed and memory of this machine, against the plain way
# make bench-mimii   what all of MIMII takes on this machine, from a twentieth of it
# All need Python >= 3.11 and nothing else; the first call makes the environment in .venv.

PYTHON ?= python3
BIN := .venv/bin
# apart from real data: all of it can be removed with the target clean
DEMO := --base_dir dataset/demo --result_dir results/demo --pickle_dir cache/demo/features --model_dir cache/demo/models

NETWORKS := simple_ae deep_ae vae conv_ae lstm_ae attention_ae residual_ae denoising_ae ss_ae idnn
OTHERS := isolation_forest one_class_svm knn mahalanobis gmm pca ldn id_embedding fusion

.PHONY: demo test test-faults bench bench-mimii lint clean

demo: .venv/run.stamp
	$(BIN)/python src/make_demo_dataset.py --output_dir dataset/demo
	$(BIN)/python src/exp_autoencoding.py $(DEMO) --model $(NETWORKS) --epochs 8 --scoring mse mahalanobis
	$(BIN)/python src/exp_autoencoding.py $(DEMO) --model $(OTHERS)
	$(BIN)/python src/exp_classification.py $(DEMO) --model all --classification_type machine_type --epochs 3
	$(BIN)/python src/exp_classification.py $(DEMO) --model all --classification_type machine_id --epochs 2
	$(BIN)/python src/make_report.py --result_dir results/demo --model_dir cache/demo/models

test: lint
	$(BIN)/pytest -q -n auto --dist loadfile

test-faults: .venv/dev.stamp
	$(BIN)/pytest -q -m faults -rP

bench: .venv/run.stamp
	$(BIN)/python benchmarks/run.py --output results/benchmarks.json

bench-mimii: .venv/run.stamp
	$(BIN)/python benchmarks/whole_mimii.py --output results/bench_mimii.json

lint: .venv/dev.stamp
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=src $(BIN)/lint-imports --no-cache

clean:
	rm -rf dataset/demo results/demo cache/demo

.venv/run.stamp: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; give one as: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/dev.stamp: requirements-dev.txt .venv/run.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
