# Sourced by the scripts beside it: builds teal, starts the embedded platform on a free port with a new data folder, sets
# $endpoint, and stops it at the end of the script. "platform NAME FLAGS..." starts a further one.
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
work="$(mktemp -d)"
go build -buildvcs=false -o "$work/teal" "$root/cmd/teal"
platforms=
trap 'kill $platforms 2>/dev/null || true; wait $platforms 2>/dev/null || true; rm -rf "$work"' EXIT
platform() {
  local at="$work/$1"
  shift
  "$work/teal" serve --listen 127.0.0.1:0 --data "$at.data" "$@" >"$at.out" 2>"$at.err" &
  platforms="$platforms $!"
  for _ in $(seq 200); do
    endpoint="$(grep -oE 'http://127\.0\.0\.1:[0-9]+' "$at.out" 2>/dev/null | head -n 1 || true)"
    [ -n "$endpoint" ] && return
    kill -0 $! 2>/dev/null || { cat "$at.err" >&2; exit 1; }
    sleep 0.05
  done
  echo "the platform did not become ready" >&2
  cat "$at.err" >&2
  exit 1
}
platform serve
