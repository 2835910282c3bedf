# Sourced by the scripts beside it: builds teal, starts the embedded platform on a free port with a new data folder, sets
# $endpoint, and stops it at the end of the script.
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
work="$(mktemp -d)"
go build -buildvcs=false -o "$work/teal" "$root/cmd/teal"
"$work/teal" serve --listen 127.0.0.1:0 --data "$work/data" >"$work/serve.out" 2>"$work/serve.err" &
platform=$!
trap 'kill $platform 2>/dev/null || true; wait $platform 2>/dev/null || true; rm -rf "$work"' EXIT
for _ in $(seq 200); do
  endpoint="$(grep -oE 'http://127\.0\.0\.1:[0-9]+' "$work/serve.out" 2>/dev/null | head -n 1 || true)"
  [ -n "$endpoint" ] && break
  kill -0 $platform 2>/dev/null || { cat "$work/serve.err" >&2; exit 1; }
  sleep 0.05
done
[ -n "$endpoint" ] || { echo "the platform did not become ready" >&2; cat "$work/serve.err" >&2; exit 1; }
