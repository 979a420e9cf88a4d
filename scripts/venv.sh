# Sourced by the other scripts. Nothing here is specific to one machine.

# find_python VERSION...: prints the first of these Pythons that runs, from PATH or from
# pyenv, or nothing.
find_python() {
  local version candidate
  for version in "$@"; do
    for candidate in "python$version" \
        "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python; do
      # pyenv's shims exist for every version and fail for those that are not chosen.
      if "$candidate" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$version')" \
          >/dev/null 2>&1; then
        echo "$candidate"
        return
      fi
    done
  done
}

# today_python: prints a Python that today's TensorFlow supports, or fails.
today_python() {
  local found="${PYTHON:-$(find_python 3.11 3.12 3.10 3.13)}"
  if [ -z "$found" ]; then
    echo "no Python 3.10 to 3.13 on PATH; name one with PYTHON=..." >&2
    return 1
  fi
  echo "$found"
}

# make_venv DIRECTORY PYTHON EXTRAS: makes the environment, or brings it up to date.
make_venv() {
  local directory="$1" python="$2" extras="$3"
  [ -x "$directory/bin/python" ] || "$python" -m venv "$directory"
  "$directory/bin/python" -m pip install --quiet --upgrade pip
  "$directory/bin/python" -m pip install --quiet --editable ".[$extras]"
}
