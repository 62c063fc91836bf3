#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# scripts/gpu_check.sh BUILD [OUT]
#   On a machine with an NVIDIA GPU: all tests and benchmarks of backend-cuda, of a build folder that was made here or
#   carried here, and one report: OUT/report.txt (OUT: gpu-check/). Libraries that this machine lacks may lie in
#   BUILD/deps. LSB_MODEL names the default model for the golden test, LSB_GOLDEN the folder of its answers, LSB_SUITES
#   suites to run (default: none; "8b", "3b" or both), LSB_REPS their launches of a point, LSB_PARTS the parts to run by
#   their first words (default: all; "models peers", say). What needs torch and transformers skips itself without. Each
#   part is named, with its exit status and seconds: 77 is skipped. The exit status is that of the worst part. Where there
#   are two GPUs, tests run on the second while benchmarks run on the first; suites follow, with both.
set -u
build=${1:?usage: gpu_check.sh BUILD [OUT]}
build=$(cd "$build" && pwd)
out=${2:-gpu-check}
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$out"
report=$out/report.txt
worst=0
export LD_LIBRARY_PATH="$build/deps${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" LSB_TEST_BUILD="$build"

# find NAME: a program of the build, wherever it lies there
find_program()
{
	find "$build" -name "$1" -type f -perm -u+x | head -n 1
}

# part NAME SECONDS COMMAND...
part()
{
	name=$1 seconds=$2
	shift 2
	case " ${LSB_PARTS:-${name%% *}} " in
	*" ${name%% *} "*) ;;
	*) return ;;
	esac
	printf '== %s\n' "$name"
	began=$(date +%s)
	timeout "$seconds" "$@" 2>&1
	rc=$?
	printf '== %s: exit status %s, %s s\n' "$name" "$rc" $(($(date +%s) - began))
	[ $rc -eq 77 ] || [ $rc -le "$worst" ] || worst=$rc
}

# Is it right?
checks()
{
	part kernels 120 "$(find_program check_cuda_kernels)"
	part "kernels cudnn" 120 "$(find_program check_cuda_dnn)"
	part models 200 "$(find_program check_cuda_model)"
	part "models long" 200 "$(find_program check_cuda_long)"
	part lost 60 "$(find_program check_cuda_lost)"
	part errors 60 "$(find_program check_cuda_errors)"
	part "errors cudnn" 60 "$(find_program check_cuda_dnn_errors)"
	if [ -n "$lsbench" ] && [ -n "${LSB_MODEL:-}" ]; then
		part golden 120 python3 "$root/tests/backend-cuda/golden.py" "$lsbench" "$LSB_MODEL" \
			"${LSB_GOLDEN:-$root/../shared/golden}"
	fi
	[ -z "$lsbench" ] || part transformers 300 python3 "$root/tests/backend-cuda/hf_logits.py" "$lsbench"
	[ -z "$lsbench" ] || part conformance 120 "$lsbench" check "$build/plugins/lsbench-backend-cuda.so"
	if command -v compute-sanitizer >/dev/null; then
		# Own kernels alone: those of cuBLASLt synchronise in ways that racecheck does not know.
		for tool in memcheck racecheck; do
			part "sanitizer $tool" 120 compute-sanitizer --tool $tool --error-exitcode 9 \
				"$(find_program bench_backend_cuda)" random:tiny:q4_1 rounds=1 prompt=20 new=2 batches=1,12 prefill=0 peaks=0
		done
	fi
	return $worst
}

# How fast is it?
benches()
{
	for model in llama-3.1-8b:f16 llama-3.1-8b:bf16 llama-3.1-8b:q8_0 llama-3.1-8b:q4_k openllama-3b:f16; do
		part "bench $model" 120 "$(find_program bench_backend_cuda)" "random:$model"
	done
	for tokens in 2048 8192; do
		part "bench prompt of $tokens" 120 "$(find_program bench_backend_cuda)" random:llama-3.1-8b:f16 rounds=3 \
			batches=1 new=8 prefill=$tokens
	done
	part "bench invariant" 120 "$(find_program bench_backend_cuda)" random:llama-3.1-8b:f16 invariant=1 rounds=3
	part products 60 "$(find_program bench_cuda_products)"
	part peers 300 python3 "$root/bench/peer_gpu.py" "$(find_program bench_backend_cuda)" \
		--attention "$(find_program bench_cuda_attention)"
	return $worst
}

suites()
{
	for suite in ${LSB_SUITES:-}; do
		case $suite in
		8b) suite=gpu_llama8b ;;
		3b) suite=gpu_openllama3b ;;
		esac
		part "suite $suite" 600 "$lsbench" "$root/suites/$suite.ini" --out "$out/$suite" --no-html \
			${LSB_REPS:+--reps "$LSB_REPS"}
		# Two ranks on one device: flagged, and what it costs.
		part "suite $suite on one device" 300 env CUDA_VISIBLE_DEVICES=0 "$lsbench" "$root/suites/$suite.ini" \
			--only 'pipeline nodes=2*' --out "$out/$suite-shared" --no-html --reps 1
	done
}

run_all()
{
	nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm,clocks.mem,power.limit --format=csv
	lsbench=$(find_program lsbench)
	if [ "$(nvidia-smi -L | wc -l)" -ge 2 ] && [ -z "${CUDA_VISIBLE_DEVICES:-}" ]; then
		(export CUDA_VISIBLE_DEVICES=1 && checks) >"$out/checks.txt" &
		(export CUDA_VISIBLE_DEVICES=0 && benches) >"$out/benches.txt" || worst=$?
		wait $!
		rc=$?
		[ $rc -le "$worst" ] || worst=$rc
		cat "$out/checks.txt" "$out/benches.txt"
	else
		checks
		benches
	fi
	suites
	printf 'worst exit status: %s\n' "$worst"
	return $worst
}

run_all >"$report"
worst=$?
cat "$report"
exit $worst
