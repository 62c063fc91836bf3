#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# scripts/test.sh [--quick]
#   From a fresh checkout to a full test run: installs the packages that are missing (apt, as root), makes a Python
#   environment for independent answers in build-venv/, gets the default model and two vocabularies, checks the
#   layout of the C files, then builds and runs the tests of the presets ci, asan and tsan; --quick: of ci alone.
#   Answers that others computed are looked for in ../shared/golden (LSB_GOLDEN): tests that need them are skipped
#   without, as are those of MPI, Slurm, ssh, network namespaces and the browser where these cannot be installed.
#   A test that fails beside others is run again alone, and named, since other load can disturb a test that measures.
#   The last line is "N passed, N failed, N skipped"; the exit status is 1 when something failed.
set -eu
me=test.sh
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"
TEST_PACKAGES="$BUILD_PACKAGES check python3 python3-pip python3-venv"
# What some tests run against; those are skipped without.
PEER_PACKAGES="libopenmpi-dev openmpi-bin mpich libmpich-dev slurm-wlm munge libpmi2-0 openssh-client openssh-server
	iproute2 nftables gnuplot-nox chromium"
venv=$root/build-venv
data=$root/build-data
passed=0 failed=0 skipped=0 failures='' second=''

is_quick=
case $# in
0) ;;
1)
	case $1 in
	--quick) is_quick=yes ;;
	--help | -h)
		sed -n '3,10s/^# \{0,1\}//p' "$root/scripts/test.sh"
		exit 0
		;;
	*) die "'$1' is no option; see --help" ;;
	esac
	;;
*) die "at most one option; see --help" ;;
esac

# A Python with the packages of requirements.txt, made again when these change.
make_venv()
{
	cmp -s "$root/scripts/requirements.txt" "$venv/requirements.txt" && return
	say "installing into build-venv/: $(grep -v '^#' "$root/scripts/requirements.txt" | tr '\n' ' ')"
	rm -rf "$venv"
	python3 -m venv "$venv"
	"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$root/scripts/requirements.txt" \
		</dev/null || die "pip could not install the packages of scripts/requirements.txt"
	cp "$root/scripts/requirements.txt" "$venv/requirements.txt"
}

get_vocabularies()
{
	get_from_wheel llama-models==0.3.0 llama_models/llama3/tokenizer.model \
		82e9d31979e92ab929cd544440f129d9ecd797b69e327f80f17e1c50d5551b55 "$data/llama3/tokenizer.model"
	get_from_wheel mistral-common==1.13.1 mistral_common/data/tokenizer.model.v1 \
		dadfd56d766715c61d2ef780a525ab43b8e6da4de6865bda3d95fdef5e134055 "$data/spm/tokenizer.model"
}

fail()
{
	failed=$((failed + 1))
	failures="$failures
	$*"
}

check_layout()
{
	say "checking the layout of C files with $("$venv/bin/clang-format" --version | grep -o 'version [0-9.]*')"
	# ABI copies are frozen as they are.
	if (cd "$root" && git ls-files '*.c' '*.h' | grep -v '^tests/abi/v1' |
		xargs "$venv/bin/clang-format" --dry-run -Werror); then
		passed=$((passed + 1))
	else
		fail "layout: run clang-format -i on the files above"
	fi
}

# of JUNIT-FILE COUNT: an attribute of its testsuite
of()
{
	sed -n "s/^[[:space:]]*$2=\"\([0-9]*\)\".*/\1/p" "$1" | head -n 1
}

# failures_of JUNIT-FILE: a line for each test that failed
failures_of()
{
	sed -n 's/.*<testcase name="\([^"]*\)".*status="fail".*/\1/p' "$1"
}

# run_again PRESET: what has failed, one after the other with nothing beside it; what fails again has failed.
run_again()
{
	again=$root/build-$1/junit-again.xml
	rm -f "$again"
	say "preset $1: running again, alone: $(failures_of "$root/build-$1/junit.xml" | tr '\n' ' ')"
	(cd "$root" && ctest --preset "$1" -j 1 --rerun-failed --output-junit "$again" </dev/null) || true
	if ! [ -s "$again" ]; then
		fail "$1: ctest ended without results"
		return
	fi
	still=$(of "$again" failures)
	passed=$((passed + bad - still))
	failed=$((failed + still))
	failures=$failures$(failures_of "$again" | sed "s/^/\n\t$1: /")
	for name in $(failures_of "$root/build-$1/junit.xml"); do
		failures_of "$again" | grep -qx "$name" || second="$second $1:$name"
	done
}

# run_tests PRESET: build it, run its tests, add to the counts
run_tests()
{
	started=$(date +%s)
	if ! build "$1" -DPython3_EXECUTABLE="$venv/bin/python"; then
		fail "$1: the build"
		return
	fi
	built=$(date +%s)
	junit=$root/build-$1/junit.xml
	rm -f "$junit"
	(cd "$root" && ctest --preset "$1" -j "$(nproc)" --output-junit "$junit" </dev/null) || true
	if ! [ -s "$junit" ]; then
		fail "$1: ctest ended without results"
		return
	fi
	bad=$(of "$junit" failures)
	idle=$(($(of "$junit" skipped) + $(of "$junit" disabled)))
	passed=$((passed + $(of "$junit" tests) - bad - idle))
	skipped=$((skipped + idle))
	[ "$bad" -eq 0 ] || run_again "$1"
	say "preset $1: built in $((built - started)) s, tested in $(($(date +%s) - built)) s"
}

# shellcheck disable=SC2086 # a list
need $TEST_PACKAGES
# shellcheck disable=SC2086
want "the tests that need it are skipped" $PEER_PACKAGES
make_venv
get_model
get_vocabularies
export LSB_MODEL="$root/models/$MODEL_FILE" LSB_LLAMA3_VOCAB="$data/llama3/tokenizer.model"
export LSB_SPM_VOCAB="$data/spm/tokenizer.model" LSB_PYTHON="$venv/bin/python"

check_layout
run_tests ci
if [ -z "$is_quick" ]; then
	run_tests asan
	run_tests tsan
fi
[ -z "$second" ] || say "passed only alone, after failing beside other tests:$second"
[ -z "$failures" ] || printf '\nfailed:%s\n' "$failures"
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
