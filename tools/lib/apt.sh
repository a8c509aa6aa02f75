# shellcheck shell=bash disable=SC2154 # root and log_dir come from common.sh
# Debian's and Ubuntu's side of install.sh. Uses its as_root and can_be_root, and common.sh.

# apt_missing "NAME [MINIMUM]"...: prints those that are not installed, or are older than the minimum.
apt_missing() {
  local -A installed=()
  local line name minimum
  while read -r line; do
    if [[ $line == installed\ * ]]; then
      read -r _ name minimum <<<"$line"
      installed[$name]=$minimum
    fi
  done < <(dpkg-query -W -f '${db:Status-Status} ${Package} ${Version}\n' "${@%% *}" 2>/dev/null)
  for line in "$@"; do
    read -r name minimum <<<"$line"
    if [[ -z ${installed[$name]-} ]]; then
      printf '%s\n' "$name"
    elif [[ -n $minimum ]] && dpkg --compare-versions "${installed[$name]#*:}" lt "$minimum"; then
      printf '%s\n' "$name"
    fi
  done
}

# apt_source_files: the files of sources.list(5) that this machine's apt reads.
apt_source_files() {
  local list="" parts=""
  eval "$(apt-config shell list Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
  local file
  for file in "$list" "$parts"*.list "$parts"*.sources; do
    if [[ -r $file ]]; then printf '%s\n' "$file"; fi
  done
}

# apt_entries SUITES [AS]: every enabled binary entry for one of SUITES (space-separated) with the component main, in a
# file's own format (one line, or a deb822 stanza and a blank line), options and keys kept, the suite named AS instead.
apt_entries() {
  local file
  while read -r file; do
    case $file in
      *.sources) apt_entries_deb822 "$1" "${2:-}" "$file" ;;
      *) apt_entries_one_line "$1" "${2:-}" "$file" ;;
    esac
  done < <(apt_source_files)
}

apt_entries_one_line() {
  awk -v suites=" $1 " -v as="$2" '
    /^[ \t]*deb[ \t]/ {
      line = $0
      sub(/#.*/, "", line)
      sub(/^[ \t]*deb[ \t]+/, "", line)
      options = ""
      if (match(line, /^\[[^]]*\][ \t]*/)) {
        options = substr(line, 1, RLENGTH)
        line = substr(line, RLENGTH + 1)
      }
      n = split(line, word, /[ \t]+/)
      main = 0
      for (i = 3; i <= n; i++) if (word[i] == "main") main = 1
      if (main && index(suites, " " word[2] " ")) print "deb " options word[1] " " (as == "" ? word[2] : as) " main"
    }' "$3"
}

apt_entries_deb822() {
  awk -v suites=" $1 " -v as="$2" '
    function flush(   i, list, n, suite, has_suite, has_main) {
      n = split(value["suites"], list, /[ \t\n]+/)
      for (i = 1; i <= n; i++) if (list[i] != "" && index(suites, " " list[i] " ")) { has_suite = 1; suite = list[i] }
      has_main = (" " value["components"] " ") ~ /[ \t\n]main[ \t\n]/
      if (has_suite && has_main && value["types"] ~ /(^|[ \t\n])deb([ \t\n]|$)/ &&
          tolower(value["enabled"]) !~ /^[ \t]*(no|false|0|off|without|disable)/) {
        print "Types: deb"
        print "Suites: " (as == "" ? suite : as)
        print "Components: main"
        for (i = 1; i <= fields; i++)
          if (name[i] !~ /^(types|suites|components|enabled)$/) print text[i]
        print ""
      }
      fields = 0
      split("", value)
    }
    /^#/ { next }
    /^[ \t]*$/ { flush(); next }
    /^[ \t]/ { value[name[fields]] = value[name[fields]] "\n" $0; text[fields] = text[fields] "\n" $0; next }
    {
      colon = index($0, ":")
      name[++fields] = tolower(substr($0, 1, colon - 1))
      value[name[fields]] = substr($0, colon + 1)
      text[fields] = $0
    }
    END { flush() }' "$3"
}

# apt_add_backports CODENAME: makes CODENAME-backports known to apt, from the mirror and with the key that the machine
# uses for CODENAME itself. Nothing is added where the suite is known already.
apt_add_backports() {
  local suite=$1-backports
  [[ -z $(apt_entries "$suite") ]] || return 0
  local scratch entry target name=zerocast-backports
  scratch=$(mktemp -d)
  # Other vendors' sources may be named after the same suite; Debian's own is the one that has backports. A URI that
  # ends in /debian is tried first.
  apt_split_entries "$scratch" < <(apt_entries "$1 stable oldstable" "$suite")
  for entry in $(grep -lE '(^URIs:|[ \t])[^ ]*/debian/?([ \t]|$)' "$scratch"/* 2>/dev/null) "$scratch"/*; do
    [[ -r $entry ]] || continue
    if logged backports as_root apt-get update -o APT::Update::Error-Mode=any -o APT::Get::List-Cleanup=0 \
      -o "Dir::Etc::sourcelist=$entry" -o Dir::Etc::sourceparts=/nonexistent; then
      target=$(apt-config shell parts Dir::Etc::sourceparts/d)
      eval "$target"
      # shellcheck disable=SC2154 # parts comes from apt-config
      target=${parts%/}/$name.${entry##*.}
      step "install: adding $suite, from the mirror this machine uses ($target)"
      as_root install -m 644 "$entry" "$target"
      rm -rf "$scratch"
      return 0
    fi
  done
  rm -rf "$scratch"
  die "no source of this machine's apt configuration has $suite; log: $log_dir/backports.log"
}

# apt_split_entries DIR: writes each entry on stdin to a file of its own, NN.list or NN.sources.
apt_split_entries() {
  awk -v dir="$1" '
    /^deb / { file = sprintf("%s/%02d.list", dir, ++n); print > file; close(file); next }
    { if (open == "") open = sprintf("%s/%02d.sources", dir, ++n); if ($0 == "") { close(open); open = "" } else print > open }'
}

# apt_install LISTS "NAME [MINIMUM]"...: LISTS is the folder of package lists.
apt_install() {
  local lists=$1
  shift
  local missing
  mapfile -t missing < <(apt_missing "$@")
  ((${#missing[@]})) || return 0

  local command=(apt-get install -y --no-install-recommends --no-remove -o DPkg::Lock::Timeout=600
    -o Acquire::Retries=3)
  if ! can_be_root; then
    if [[ -r $lists/backports ]]; then
      die "${#missing[@]} packages are missing and this is not root; run (it takes some from backports):" \
        "sudo $root/tools/lib/install.sh ${requested[*]}"
    fi
    die "${#missing[@]} packages are missing and this is not root; run: sudo apt-get update && sudo" \
      "apt-get install --no-install-recommends ${missing[*]}"
  fi

  step "install: reading the package lists"
  local log=$log_dir/install.log
  rm -f "$log_dir/update.log"
  logged install as_root env LC_ALL=C apt-get update -o APT::Update::Error-Mode=any -o Acquire::Retries=3 ||
    cp "$log" "$log_dir/update.log"
  if [[ -r $lists/backports ]]; then
    local codename
    codename=$(sed -n 's/^VERSION_CODENAME=//p' "${ZEROCAST_OS_RELEASE:-/etc/os-release}")
    [[ -r $log_dir/update.log ]] || apt_add_backports "$codename"
    apt_preferences "$codename-backports" "$lists/backports" >"$log_dir/preferences"
    command+=(-o "Dir::Etc::preferences=$log_dir/preferences")
  fi
  step "install: ${#missing[@]} packages with apt (${missing[*]:0:6}${missing[6]:+ ...})"
  logged install as_root env LC_ALL=C DEBIAN_FRONTEND=noninteractive "${command[@]}" "${missing[@]}" && return 0
  apt_explain "$log"
}

# apt_preferences SUITE FILE: the machine's own apt_preferences(5) and, for this one run, SUITE as the place where every
# package built from the sources that FILE lists comes from, new ones and those that must match them.
apt_preferences() {
  local file=""
  eval "$(apt-config shell file Dir::Etc::preferences/f)"
  if [[ -r $file ]]; then
    cat "$file"
    echo
  fi
  printf 'Package: %s\nPin: release n=%s\nPin-Priority: 600\n' \
    "$(package_list "$2" | sed 's/^/src:/' | paste -sd ' ')" "$1"
}

# apt_explain LOG: dies with the one line that says what went wrong.
apt_explain() {
  local why
  why=$(sed -nE "s/^E: (Unable to locate package |Package '|Release '[^']*' for ')([^' ]+).*/\2/p" "$1" | paste -sd ' ')
  if [[ -r $log_dir/update.log ]]; then
    die "no network: apt-get update could not reach the package mirror ($(grep -m1 '^E: ' "$log_dir/update.log"));" \
      "full log: $log_dir/update.log"
  fi
  [[ -z $why ]] || die "missing package: $why is in none of this machine's package sources"
  if grep -qE '^(E: Failed to fetch|Err:)' "$1"; then
    die "no network: $(grep -m1 '^E: Failed to fetch' "$1"); full log: $1"
  fi
  die "apt-get install failed: $(grep -m1 '^E: ' "$1" || tail -n 1 "$1"); full log: $1"
}
