# The environment of the lock in a container: docker build -t algoreg . && docker run --rm -v "$PWD/results:/algoreg/results" algoreg make quick
#
# Of this file: linted by `make lint-ci` (hadolint) and held together with the Makefile by tests/test_ci.py. It has not been
# built on the machines it was written on, which have no Docker daemon; its commands are those of `make setup`.
FROM python:3.11-slim

# Versions of Debian's make and git do not reach the numbers.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends git make && rm -rf /var/lib/apt/lists/*

# Results that the container writes into a mounted folder belong to this user (docker build --build-arg USER_ID="$(id -u)").
ARG USER_ID=1000
RUN useradd --create-home --uid "$USER_ID" algoreg && install -d -o algoreg /algoreg
USER $USER_ID
WORKDIR /algoreg

# What the installation needs first, so that an edit of settings, tests or documents does not install it again.
COPY --chown=algoreg requirements.lock requirements-torch-cpu.txt requirements-torch.txt pyproject.toml README.md LICENSE Makefile ./
COPY --chown=algoreg src ./src
# Compiled here, as another user than this one could not keep what Python compiles.
RUN make setup && (.venv/bin/python -P -m compileall -qq -j 0 .venv/lib || true)
COPY --chown=algoreg . .
# Also for a user without an entry in passwd (docker run --user 1234): a name, a home, and a folder for Snakemake's memory.
ENV USER=algoreg HOME=/algoreg/home
RUN touch .venv/ready && mkdir home && chmod a+rwx . home results

CMD ["make", "quick"]
