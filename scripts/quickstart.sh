#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# scripts/quickstart.sh [SUITE.ini] [--model FILE]
#   From a fresh checkout to the first report: installs the packages that are missing (apt, as root), builds into
#   build/, gets the default model (94 MB) into models/, and runs SUITE.ini (default: suites/strong_scaling.ini).
#   --model FILE, or LSBENCH_MODEL in the environment, is a model to use instead: nothing is downloaded.
#   What is there already is not made again. The exit status is lsbench's, or 1 when it did not come to that.
set -eu
me=quickstart.sh
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"

usage()
{
	sed -n '3,8s/^# \{0,1\}//p' "$root/scripts/quickstart.sh"
}

# absolute FILE: its path from the root folder
absolute()
{
	[ -f "$1" ] || die "there is no file '$1'"
	printf '%s/%s\n' "$(cd "$(dirname "$1")" && pwd)" "$(basename "$1")"
}

suite=
model=${LSBENCH_MODEL-}
while [ $# -gt 0 ]; do
	case $1 in
	--help | -h)
		usage
		exit 0
		;;
	--model)
		[ $# -ge 2 ] || die "--model needs a file"
		model=$2
		shift
		;;
	--model=*) model=${1#--model=} ;;
	-*) die "'$1' is no option; see --help" ;;
	*)
		[ -z "$suite" ] || die "more than one suite: '$suite' and '$1'"
		suite=$1
		;;
	esac
	shift
done
suite=$(absolute "${suite:-$root/suites/strong_scaling.ini}")
case $model in
'' | random:*) ;;
*) model=$(absolute "$model") ;;
esac

# shellcheck disable=SC2086 # a list
need $BUILD_PACKAGES
want "report.html has tables, but no charts" gnuplot-nox
# The kernels of backend-cuda take minutes to build for every GPU there is: for this machine's, or none.
if command -v nvcc >/dev/null 2>&1 && nvidia-smi -L 2>/dev/null | grep -q GPU; then
	cuda=-DLSB_CUDA_ARCHITECTURES=native
else
	cuda=-DLSB_CUDA=OFF
fi
build release -DLSB_TESTS=OFF "$cuda" || die "the build failed"
if [ -z "$model" ]; then
	get_model
	model=$root/models/$MODEL_FILE
fi
say "running build/lsbench $suite"
cd "$root"
LSBENCH_MODEL=$model exec build/lsbench "$suite"
