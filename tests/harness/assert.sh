# shellcheck shell=bash
# Assertions for the script tests: each prints what differs and counts; the script ends with `finish`.

failures=0

# expect WHAT WANTED GOT
expect() {
  if [[ $2 != "$3" ]]; then
    printf 'FAIL %s\n  wanted: %s\n  got:    %s\n' "$1" "${2//$'\n'/$'\n'          }" "${3//$'\n'/$'\n'          }"
    failures=$((failures + 1))
  fi
}

# expect_match WHAT REGEX GOT
expect_match() {
  if [[ ! $3 =~ $2 ]]; then
    printf 'FAIL %s\n  wanted a match of: %s\n  got: %s\n' "$1" "$2" "$3"
    failures=$((failures + 1))
  fi
}

finish() { exit "$((failures > 0))"; }
