#!/usr/bin/env bash
# From no cluster to the first verdict, and back to no cluster; the exit status is pytest's.
set -euo pipefail
cd "$(dirname "$0")"
shop=../08-kubernetes
envoy=envoyproxy/envoy:v1.40.0
KUBECONFIG=$(mktemp)
export KUBECONFIG

kind create cluster --name shadowdiff --config kind.yaml --wait 120s
trap 'kind delete cluster --name shadowdiff; rm -f "$KUBECONFIG"' EXIT

docker image inspect "$envoy" >/dev/null 2>&1 || docker pull --quiet "$envoy"
docker build --quiet --build-arg VERSION=v1 --tag orders:1 "$shop"
docker build --quiet --build-arg VERSION=v2 --tag orders:2 "$shop"
kind load docker-image orders:1 orders:2 "$envoy" --name shadowdiff

kubectl apply -f "$shop/shop.yaml"
kubectl --namespace shop rollout status deployment/orders-v1 --timeout=120s
kubectl --namespace shop rollout status deployment/orders-v2 --timeout=120s

python -m pytest -q --shadow-target=v2 --shadow-report=json --shadow-report=html "$@"
