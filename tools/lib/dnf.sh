# shellcheck shell=bash disable=SC2154 # root and log_dir come from common.sh
# Fedora's side of install.sh.

# dnf_install NAME...
dnf_install() {
  local missing=() name
  while read -r name; do
    missing+=("$name")
  done < <(LC_ALL=C rpm -q "$@" 2>&1 | sed -n 's/^package \(.*\) is not installed$/\1/p')
  ((${#missing[@]})) || return 0
  local command=(dnf install -y --setopt=install_weak_deps=False "${missing[@]}")
  can_be_root || die "${#missing[@]} packages are missing and this is not root; run: sudo ${command[*]}"
  step "install: ${#missing[@]} packages with dnf"
  logged install as_root env LC_ALL=C "${command[@]}" && return 0
  local log=$log_dir/install.log why
  why=$(sed -n 's/^No match for argument: //p' "$log" | paste -sd ' ')
  [[ -z $why ]] || die "missing package: $why is in none of this machine's package sources"
  if grep -qE 'Cannot (download|prepare)|Could(n.t| not) resolve|Failed to download metadata' "$log"; then
    die "no network: dnf could not reach the package mirror; full log: $log"
  fi
  die "dnf install failed; full log: $log"
}
