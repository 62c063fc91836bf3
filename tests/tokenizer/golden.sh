#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# golden.sh VOCABULARY PROGRAM: finds or makes the model file of a vocabulary, and compares.
set -eu
here=$(dirname "$0")
out=$(dirname "$2")/$1.gguf

skip()
{
	echo "skipped: $1 is not set"
	exit 77
}

case $1 in
smollm2)
	[ -n "${LSB_MODEL-}" ] || skip LSB_MODEL
	out=$LSB_MODEL
	;;
llama3)
	[ -n "${LSB_LLAMA3_VOCAB-}" ] || skip LSB_LLAMA3_VOCAB
	"${LSB_PYTHON:-python3}" "$here/make_gguf.py" tiktoken "$LSB_LLAMA3_VOCAB" "$out"
	;;
spm)
	[ -n "${LSB_SPM_VOCAB-}" ] || skip LSB_SPM_VOCAB
	"${LSB_PYTHON:-python3}" "$here/make_gguf.py" spm "$LSB_SPM_VOCAB" "$out"
	;;
esac
exec "$2" "$1" "$out"
