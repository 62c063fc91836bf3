#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# arrivals_peer.py with the Python that has scipy: $LSB_PYTHON, else python3. 77: none has it.
command -v "${LSB_PYTHON:-python3}" >/dev/null 2>&1 || { echo "skipped: no python3"; exit 77; }
exec "${LSB_PYTHON:-python3}" "$(dirname "$0")/arrivals_peer.py" "$1"
