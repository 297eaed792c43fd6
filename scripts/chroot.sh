#!/bin/bash
# The way of a newcomer, from a bare Debian 12: debootstrap, a fresh clone, make study, make test. Needs root.
#   scripts/chroot.sh FOLDER LOG        TARGETS="study test" KEN_FIXTURES=DIR
# FOLDER must not exist or be empty; it stays, for looking around. Only /proc is mounted into it while it runs (libtorch
# reads the processor there); how to reach the package mirror (sources, proxy, sign-in, certificates, resolver) is copied.
# shellcheck disable=SC2317  # stage calls functions by name
set -euo pipefail
if [[ $# -ne 2 ]]; then
  echo "usage: scripts/chroot.sh FOLDER LOG" >&2
  exit 2
fi
if [[ $EUID -ne 0 ]]; then
  echo "chroot: needs root; run sudo scripts/chroot.sh $*" >&2
  exit 2
fi
folder=$(realpath -m -- "$1")
log=$(realpath -m -- "$2")
cd "$(dirname "$0")/.."
repository=$PWD
fixtures=${KEN_FIXTURES:-$repository/../shared/fixtures}
read -r -a targets <<<"${TARGETS:-study test}"
release=bookworm
if [[ -d $folder && -n $(ls -A -- "$folder") ]]; then
  echo "chroot: $folder is not empty; give a new folder" >&2
  exit 2
fi
if ! command -v debootstrap >/dev/null; then
  echo "chroot: debootstrap is missing; scripts/packages.sh packages-dev.txt installs it" >&2
  exit 1
fi

# The files of apt sources that name the release itself as a suite.
source_files() {
  local file
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    if [[ -f $file ]] && grep -qE "^(Suites:|deb ).*[[:space:]]$release([[:space:]]|\$)" "$file"; then echo "$file"; fi
  done
}

# The first address that these files give for the release: a line "deb [options] ADDRESS bookworm main", or a stanza.
mirror() {
  xargs -r -d '\n' cat | sed -e 's/\[[^]]*\]//' | awk -v release="$release" '
    function has(text) { return (" " text " ") ~ (" " release " ") }
    $1 == "deb" && $3 == release { print $2; exit }
    NF == 0 { address = ""; suite = 0 }
    $1 == "URIs:" { address = $2 }
    $1 == "Suites:" { suite = has($0) }
    address != "" && suite { print address; exit }'
}

copy_apt_settings() {
  local file
  rm -f -- "$folder/etc/apt/sources.list"
  while read -r file; do cp --parents -- "$file" "$folder"; done < <(source_files)
  for file in /usr/share/keyrings /etc/apt/keyrings /etc/apt/trusted.gpg.d /usr/local/share/ca-certificates; do
    if [[ -d $file ]]; then cp -R --parents -- "$file" "$folder"; fi
  done
  for file in /etc/apt/auth.conf /etc/apt/auth.conf.d; do
    if [[ -e $file ]]; then cp -a --parents -- "$file" "$folder"; fi
  done
  # Settings of the network alone: hooks and clean-up rules may name programs that are not there.
  apt-config dump | grep -E '^Acquire::(http|https|Check-Valid-Until|Retries|ForceIPv[46])' \
    >"$folder/etc/apt/apt.conf.d/90network" || true
  if [[ -f /etc/resolv.conf ]]; then cp -L -- /etc/resolv.conf "$folder/etc/resolv.conf"; fi
  inside update-ca-certificates
}

# Runs a command in the folder with a clean environment, proxies kept.
inside() {
  local kept=() name
  for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    if [[ -n ${!name:-} ]]; then kept+=("$name=${!name}"); fi
  done
  chroot "$folder" /usr/bin/env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    "${kept[@]}" "$@" </dev/null
}

summary=()
# Runs one stage into the log and notes how long it took; the first failure ends the script with the summary.
stage() {
  local name=$1 start=$SECONDS result="done" code=0
  shift
  echo "chroot: $name"
  echo "=== $name: $*" >>"$log"
  # Not in a condition: there, bash would go on after an error within a function.
  set +e
  (
    set -e
    "$@"
  ) >>"$log" 2>&1
  code=$?
  set -e
  if ((code != 0)); then result=FAILED; fi
  summary+=("$(printf '%-12s %-7s %5d s' "$name" "$result" $((SECONDS - start)))")
  if [[ $result == FAILED ]]; then
    tail -n 40 -- "$log"
    finish 1
  fi
}

finish() {
  echo
  echo "Debian $release in $folder, $(nproc) cores; log: $log"
  printf '%s\n' "${summary[@]}" | tee -a "$log"
  exit "$1"
}

bootstrap() {
  local proxy address
  address=$(source_files | mirror)
  if [[ -z $address ]]; then
    echo "chroot: no apt source of this machine names $release; add one to /etc/apt/sources.list"
    return 1
  fi
  proxy=$(apt-config dump Acquire::http::Proxy | sed -n 's/^Acquire::http::Proxy "\(.*\)";/\1/p')
  if [[ -n $proxy && $proxy != DIRECT && -z ${http_proxy:-} ]]; then export http_proxy=$proxy; fi
  mkdir -p -- "$folder"
  debootstrap --variant=minbase --include=ca-certificates,make "$release" "$folder" "$address"
  copy_apt_settings
  mount -t proc proc "$folder/proc"
}

unmount() {
  if mountpoint -q -- "$folder/proc"; then umount -- "$folder/proc"; fi
}
trap unmount EXIT

clone() {
  git clone --no-hardlinks -- "$repository" "$folder/root/ken"
  if [[ -d $fixtures ]]; then
    mkdir -p -- "$folder/root/shared"
    cp -R -- "$fixtures" "$folder/root/shared/fixtures"
  fi
}

mkdir -p -- "$(dirname -- "$log")"
: >"$log"
stage debootstrap bootstrap
stage clone clone
for target in "${targets[@]}"; do stage "make $target" inside make -C /root/ken "$target"; done
finish 0
