#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# plan.sh LSBENCH SUITES: `lsbench plan` on the shipped suites, and its exit statuses. Needs no model file.
lsbench=$1
suites=$2
LSBENCH_MODEL=random:openllama-3b:q8_0
export LSBENCH_MODEL
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0

# expect STATUS TEXT ARGUMENT...: the exit status, and a text that the output holds
expect() {
	status=$1 text=$2
	shift 2
	said=$("$lsbench" plan "$@" 2>&1)
	got=$?
	if [ $got -ne "$status" ] || ! printf '%s' "$said" | grep -qF -- "$text"; then
		printf "plan %s: status %s, wanted %s with '%s'; it said:\n%s\n" "$*" $got "$status" "$text" "$said"
		failed=1
	fi
}

for suite in "$suites"/*.ini; do
	expect 0 "estimated time of all launches: " "$suite"
done
expect 0 '4 points, 32 launches, interleaved' "$suites/strong_scaling.ini"
expect 0 "one node, equal batch: 'pipeline nodes=1'; one node, equal concurrency: 'equal_concurrency'" \
	"$suites/strong_scaling.ini"
expect 0 'layers: 13 (' "$suites/smoke.ini" --only '*nodes=2'
expect 0 'layers: 20 (' "$suites/smoke.ini" --set nodes=2 --set split=20+6
expect 0 '"estimated_s"' "$suites/smoke.ini" --json
expect 0 "$suites/smoke.ini:11" "$suites/smoke.ini" --origins
expect 0 'TOO SMALL: context = 20' "$suites/smoke.ini" --set context=20
expect 0 'asks for up to 200 new tokens, which max_new = 128 cuts' "$suites/llama_bench.ini" --set 'mixed.workload.tg=200'
expect 0 'of weights and cache on all ranks; this machine has' "$suites/smoke.ini"
expect 0 'DOES NOT FIT, and will be refused' "$suites/smoke.ini" --set context=1048576 --set batch=1024
expect 0 '(computing alone, at 100 GMAC/s a thread, as given' "$suites/smoke.ini" --rate 100
expect 2 'has 25 layers, the model has 26' "$suites/smoke.ini" --set nodes=2 --set split=20+5
expect 2 '27 stages cannot share 26 layers' "$suites/smoke.ini" --set nodes=27
expect 2 "unknown transport 'tpc' (did you mean 'tcp'?)" "$suites/smoke.ini" --set transport=tpc
expect 2 "did you mean 'wait'?" "$suites/smoke.ini" --set transport.wiat=poll
expect 2 'cannot open' nothing.ini
expect 2 'wanted one SUITE.ini'
echo 'no model' >bad.gguf
expect 3 'model: ' "$suites/smoke.ini" --set "model=$work/bad.gguf"
rm bad.gguf

if [ -n "$(ls -A "$work")" ]; then
	echo "plan left something behind: $(ls -A "$work")"
	failed=1
fi
exit $failed
