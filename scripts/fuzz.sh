#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# scripts/fuzz.sh [SECONDS [NAME...]]
#   Fuzz with libFuzzer, ASan and UBSan: every target of tests/fuzz, or those named, SECONDS each (default 60).
#   Finds go to build-fuzz/found/NAME; the corpus in the tree is only read. Needs clang.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
seconds=${1:-60}
[ $# -eq 0 ] || shift
clang=
for c in clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14; do
	if command -v $c >/dev/null 2>&1; then
		clang=$c
		break
	fi
done
if [ -z "$clang" ]; then
	echo "fuzz.sh: needs clang with libFuzzer (Debian: apt install clang)" >&2
	exit 1
fi
build=$root/build-fuzz
cmake -S "$root" -B "$build" -G Ninja -DCMAKE_C_COMPILER=$clang -DCMAKE_BUILD_TYPE=RelWithDebInfo \
	-DLSB_FUZZER=ON -DLSB_SANITIZE=address,undefined,fuzzer-no-link >/dev/null
names=$*
if [ -z "$names" ]; then
	names=$(cd "$root/tests/fuzz" && for f in *.c; do [ "$f" = replay_main.c ] || echo "${f%.c}"; done)
fi
status=0
for name in $names; do
	if ! ninja -C "$build" "libfuzzer_$name" >"$build/fuzz_$name.log" 2>&1; then
		cat "$build/fuzz_$name.log" >&2
		status=1
		continue
	fi
	mkdir -p "$build/found/$name" "$build/corpus/$name"
	echo "== $name, $seconds s"
	"$build/tests/fuzz/libfuzzer_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$build/found/$name/" "$build/corpus/$name" "$root/tests/fuzz/corpus/$name" \
		>"$build/fuzz_$name.log" 2>&1 || status=1
	grep -E 'ERROR|SUMMARY|runtime error|stat::number_of_executed_units' "$build/fuzz_$name.log" || true
done
exit $status
