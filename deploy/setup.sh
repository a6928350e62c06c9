#!/usr/bin/env bash
# Makes .venv with the exact versions of requirements.lock and this project in it, editable.
#   deploy/setup.sh         set up (called by make when something changed)
#   deploy/setup.sh text    set up what the extra text adds, in .venv/share/text, for its test
#   deploy/setup.sh lock    write both lock files anew from pyproject.toml
# PYTHON=/path/to/python chooses the interpreter; SETUP_NEEDS_GB=8 is the free disk asked for.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
stop() { say "$*"; exit 1; }

# A name on PATH proves nothing (version managers leave stubs): an interpreter counts when it runs.
is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
  local candidates=(python3.13 python3.12 python3.11 python3) candidate
  [ -z "${PYTHON:-}" ] || candidates=("$PYTHON")
  for candidate in "${candidates[@]}"; do
    if is_new_enough "$candidate"; then
      "$candidate" -c 'import sys; print(sys.executable)'
      return
    fi
  done
  candidate=${candidates[-1]}
  stop "Python 3.11 or newer is needed, found $("$candidate" --version 2>/dev/null || echo "no $candidate");" \
    "install one (Debian: apt install python3) or name it: make PYTHON=/path/to/python3.12"
}

check_disk() {
  local needed_gb=${SETUP_NEEDS_GB:-8} free_gb
  free_gb=$(df -Pk . | awk 'NR == 2 {print int($4 / 1048576)}')
  if [ "$free_gb" -lt "$needed_gb" ]; then
    stop "about ${needed_gb} GB of disk are needed, ${free_gb} GB are free in $PWD; make room or clone elsewhere"
  fi
}

# uv comes from PATH, or from PyPI into .venv by whichever of pip and venv this Python has.
find_uv() {
  if uv --version >/dev/null 2>&1; then
    echo uv
    return
  fi
  local home=.venv/share/uv
  if ! "$home/bin/uv" --version >/dev/null 2>&1; then
    say "fetching uv"
    if "$python" -m pip --version >/dev/null 2>&1; then
      "$python" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$home" uv >&2
    else
      if ! "$python" -c 'import ensurepip' >/dev/null 2>&1; then
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
          say "installing python3-venv (this Python has neither pip nor venv)"
          { apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv; } >/dev/null 2>&1 || true
        fi
        "$python" -c 'import ensurepip' >/dev/null 2>&1 ||
          stop "this Python ($python) has neither pip nor venv; install one (Debian: apt install python3-venv) or uv"
      fi
      "$python" -m venv "$home/bootstrap"
      "$home/bootstrap/bin/python" -m pip install --quiet --disable-pip-version-check --target "$home" uv >&2
    fi
  fi
  echo "$home/bin/uv"
}

# uv brings authorities of its own; a machine behind a proxy has another one in its system's list.
authorities=/etc/ssl/certs/ca-certificates.crt
if [ -z "${SSL_CERT_FILE:-}" ] && [ -s "$authorities" ]; then
  export SSL_CERT_FILE=$authorities
fi

python=$(find_python)

if [ "${1:-}" = lock ]; then
  uv=$(find_uv)
  compile=("$uv" pip compile --quiet --universal --python-version 3.11 --custom-compile-command "make lock"
    --extra train --extra demo --extra dev pyproject.toml)
  "${compile[@]}" --upgrade -o requirements.lock
  # Not among the others: where transformers lie, lightning imports them, seconds of each start of a fit.
  made=$(mktemp -d)
  trap 'rm -rf "$made"' EXIT
  "${compile[@]}" --constraint requirements.lock --no-annotate -o "$made/without"
  "${compile[@]}" --constraint requirements.lock --no-annotate --extra text -o "$made/with"
  {
    echo "# What the extra text adds to requirements.lock: make lock"
    grep -vxFf "$made/without" "$made/with"
  } >requirements-text.lock
  exit
fi

if [ "${1:-}" = text ]; then
  into=.venv/share/text
  [ "$into/.ready" -nt requirements-text.lock ] && exit
  say "installing what requirements-text.lock names (about 200 MB)"
  "$(find_uv)" pip install --quiet --python .venv/bin/python --no-deps --target "$into" -r requirements-text.lock ||
    stop "the packages could not be installed; the reason is above (network? disk?)"
  touch "$into/.ready"
  exit
fi

installed=.venv/bin/torchrun # the last and largest thing that is installed
[ -e "$installed" ] || check_disk
uv=$(find_uv)
if ! is_new_enough .venv/bin/python; then
  say "making .venv with $("$python" --version)"
  "$uv" venv --quiet --allow-existing --python "$python" .venv
fi
[ -e "$installed" ] || say "installing what requirements.lock names (about 6 GB, most of it torch; a minute on a fast line)"
# sync, so that what an older lock file brought goes away
"$uv" pip sync --python .venv/bin/python requirements.lock 2> >(sed '/^ [+~-] /d' >&2) ||
  stop "the packages could not be installed; the reason is above (network? disk?); then run make again"
"$uv" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
.venv/bin/python -c 'import faust, numpy' || stop ".venv is broken; run make clean, then make again"
touch .venv/.ready
say "ready: .venv/bin/millstream --help"
