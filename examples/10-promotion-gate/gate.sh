#!/usr/bin/env bash
# Ends with 0 where the candidate may be promoted: gate.sh CANDIDATE
set -euo pipefail
cd "$(dirname "$0")"
job() { kubectl --namespace shop "$@"; }

job delete job gate --ignore-not-found
sed "s/CANDIDATE/$1/" gate.yaml | kubectl apply -f -
until state=$(job get job gate --output 'jsonpath={.status.conditions[?(@.status=="True")].type}') && [[ $state == *Complete* || $state == *Failed* ]]; do
  sleep 1
done
job logs job/gate
[[ $state == *Complete* ]]
