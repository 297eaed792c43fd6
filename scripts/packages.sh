#!/bin/bash
# Installs the Debian packages of the given lists that are missing; silent when there are none.
#   scripts/packages.sh packages.txt [packages-dev.txt ...]
# One name a line, # starts a comment. With LIBTORCH set, Debian's libtorch is not asked for.
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=$(sed -e 's/#.*//' -- "$@" | tr -s '[:space:]' '\n' | sed '/^$/d' | sort -u)
if [[ -n ${LIBTORCH:-} ]]; then
  wanted=$(grep -v '^libtorch-dev$' <<<"$wanted" || true)
fi
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "packages: this is not Debian; ken needs what these packages hold: ${wanted//$'\n'/ }" >&2
  exit 0
fi

# A package counts as there when it is installed or when an installed one provides it (nodejs may provide npm).
present=$(dpkg-query -W -f='${db:Status-Status} ${Package} ${Provides}\n' |
  sed -n 's/^installed //p' | sed -e 's/([^)]*)//g' | tr -s ', ' '\n' | sort -u)
# What stands once is wanted and not there. No process substitution: a chroot without /proc has no /dev/fd.
missing=$(printf '%s\n' "$wanted" "$present" "$present" | sort | uniq -u)
if [[ -z $missing ]]; then exit 0; fi
mapfile -t missing <<<"$missing"

as_root=()
if [[ $EUID -ne 0 ]]; then
  if ! command -v sudo >/dev/null; then
    echo "packages: missing, and there is neither root nor sudo to install them. As root, run:" >&2
    echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)

echo "packages: installing ${missing[*]}" >&2
"${apt[@]}" update </dev/null
"${apt[@]}" install --no-install-recommends "${missing[@]}" </dev/null
