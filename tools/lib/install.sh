#!/usr/bin/env bash
# Installs the distribution packages of the named lists (tools/lib/packages/<distribution>/<list>):
#
#   tools/lib/install.sh LIST...        build, run, test, bench, lint, package, fresh-root
#
# Nothing to do takes no time, no network and no rights. Otherwise it needs root, or sudo without a password. Only
# distribution packages, never with what they merely recommend, and never removing any.
set -euo pipefail

# shellcheck source=tools/lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=tools/lib/apt.sh
. "$root/tools/lib/apt.sh"
# shellcheck source=tools/lib/dnf.sh
. "$root/tools/lib/dnf.sh"

# distribution: the folder of package lists that fits this machine, from os-release(5).
distribution() {
  local os_release=${ZEROCAST_OS_RELEASE:-/etc/os-release} ID="" VERSION_ID="" PRETTY_NAME=""
  [[ -r $os_release ]] || die "wrong distribution: there is no $os_release"
  # shellcheck source=/dev/null
  . "$os_release"
  local major=${VERSION_ID%%.*}
  case $ID in
    debian) ((${major:-13} >= 13)) && echo debian-13 && return ;;&
    debian) ((major == 12)) && echo debian-12 && return ;;
    ubuntu) ((${major:-0} >= 24)) && echo ubuntu && return ;;
    fedora) ((${major:-0} >= 40)) && echo fedora && return ;;
  esac
  die "wrong distribution: '${PRETTY_NAME:-$ID}' is none of Debian 12 or 13, Ubuntu 24.04 or later, Fedora 40 or later" \
    "(elsewhere: install what tools/lib/packages/ lists and set ZEROCAST_INSTALL=0)"
}

# as_root CMD...
as_root() {
  if ((EUID == 0)); then "$@"; else sudo -n "$@"; fi
}
can_be_root() { ((EUID == 0)) || sudo -n true 2>/dev/null; }

main() {
  (($#)) || die "name the lists to install: build, run, test, bench, lint, package"
  [[ ${ZEROCAST_INSTALL:-1} != 0 ]] || return 0
  local lists
  lists=$root/tools/lib/packages/$(distribution) || exit 1
  local wanted=() list requested=("$@")
  for list in "$@"; do
    [[ -r $lists/$list ]] || die "there is no list '$list' in $lists"
    mapfile -t -O "${#wanted[@]}" wanted < <(package_list "$lists/$list")
  done
  case $lists in
    */fedora) dnf_install "${wanted[@]}" ;;
    *) apt_install "$lists" "${wanted[@]}" ;;
  esac
}

main "$@"
