# The tasks are in tools/tasks.py; this names them for make. `make` alone lists them.
# ARGS goes to the program behind the task: make serve ARGS="--port 9000", make test ARGS="-k limits".
PYTHON ?= $(shell test -x .venv/bin/python && echo .venv/bin/python || command -v python3)
TASKS := setup serve test compat soak cluster integrations clients lint bench openapi sdk docs fuzz screenshots lock release clean

.PHONY: help $(TASKS)
help $(TASKS):
	@test -n "$(PYTHON)" || { echo "Python is missing. On Debian or Ubuntu, paste this: sudo apt-get install -y python3 python3-venv"; exit 1; }
	@$(PYTHON) tools/setup.py $(filter-out help,$@) $(ARGS)
