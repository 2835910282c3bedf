# Sourced: finds a Python with boto3, or installs Debian's where this is Debian and we are root; sets $python.
python="$(command -v python3 || true)"
if [ -z "$python" ] || ! "$python" -c 'import boto3' 2>/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    (apt-get update && apt-get install -y python3-boto3 awscli) >/dev/null 2>&1 || true
    [ -x /usr/bin/python3 ] && python=/usr/bin/python3
  fi
fi
python="${python:-python3}"
# recent tells whether its models of AWS are of 2025 or later: an older one does not know all that is sent and answered here.
recent() { "$python" -c 'import botocore, sys; sys.exit(tuple(map(int, botocore.__version__.split(".")[:2])) < (1, 40))'; }
