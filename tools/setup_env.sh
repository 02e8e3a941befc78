# Sourced by quickstart.sh and run_tests.sh: an environment with mmdualpath.
#
# Makes .venv in the checkout if no environment is active and installs the
# package there with the extra given in $1. An active environment that already
# has torch keeps its versions; everywhere else the versions of
# tools/constraints.txt are installed. PYTHON names the interpreter for .venv.
# With AS_IT_IS=1 the environment is taken as it is, and nothing is installed.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
[ -z "${AS_IT_IS:-}" ] || return 0

if [ -z "${VIRTUAL_ENV:-}${CONDA_PREFIX:-}" ]; then
    if [ ! -x .venv/bin/python ]; then
        python=${PYTHON:-}
        for candidate in python3 python3.11 python3.12 python3.13 python3.10; do
            [ -n "$python" ] && break
            "$candidate" -c 'import sys; sys.exit(
                not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
                && python=$candidate
        done
        [ -n "$python" ] || { echo "Python 3.10 to 3.13 is needed." >&2; exit 1; }
        echo "Making a virtual environment in .venv ..."
        "$python" -m venv .venv
    fi
    # shellcheck disable=SC1091
    source .venv/bin/activate
fi

# Installed once per state of the requirements.
stamp="$(python -c 'import sys; print(sys.prefix)')/.mmdualpath-$1-$(
    cat setup.cfg tools/constraints.txt | cksum | tr ' ' -)"
if [ ! -e "$stamp" ]; then
    echo "Installing mmdualpath[$1] and what it needs (some minutes) ..."
    installed() {
        python -c "import sys, importlib.util as u
sys.exit(u.find_spec('$1') is None)"
    }
    constraints=(-c tools/constraints.txt)
    installed torch && constraints=()
    extra=$1
    # Full mmcv and mmcv-lite own one folder: whichever is there stays.
    installed mmcv || extra="$extra,lite"
    PIP_DISABLE_PIP_VERSION_CHECK=1 python -m pip install --quiet \
        ${constraints[@]+"${constraints[@]}"} -e ".[$extra]"
    touch "$stamp"
fi
