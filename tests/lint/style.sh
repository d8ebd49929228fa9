#!/bin/sh
# Says, as TAP, what a program can say about style: see CONTRIBUTING.md.
# shellcheck disable=SC2319 # the status of a condition is what is meant
cd "$(dirname "$0")/../.." || exit 99
n=0

# says WHETHER SENTENCE OUTPUT: a failure shows what was found
says() {
  n=$((n + 1))
  if [ "$1" -eq 0 ]; then
    echo "ok $n - $2"
  else
    echo "not ok $n - $2"
    echo "$3" | sed 's/^/# /'
  fi
}

c_files=$(find src cgi tests -name '*.[ch]' | sort)
product=$(find src cgi -name '*.[ch]' | sort)
scripts=$(grep -rlE '^#!/bin/(ba)?sh' tests .ci deploy --include='*' 2>/dev/null | sort)

# each version of clang-format has its own opinion: Debian 12's is ours
sentence="clang-format has nothing to change"
if clang-format --version | grep -q 'version 14\.'; then
  # shellcheck disable=SC2086
  out=$(clang-format --dry-run -Werror $c_files 2>&1)
  says $? "$sentence" "$out"
else
  says 0 "$sentence # SKIP it is not version 14"
fi

# shellcheck disable=SC2086
out=$(grep -nwE '(strcpy|strcat|sprintf|vsprintf|strncpy|gets|atoi|atol|strtok|localtime|gmtime|strerror|system|popen|rand|alloca) ?\(' $product)
[ -z "$out" ]
says $? "no function is used that is banned" "$out"

# shellcheck disable=SC2086
out=$(awk 'FNR == 1 { start = 0 }
  /^{/ { start = FNR }
  /^}/ && start { if (FNR - start - 1 > 60)
    print FILENAME ":" start ": " FNR - start - 1 " lines"; start = 0 }' $c_files)
[ -z "$out" ]
says $? "no function is longer than a screen of 60 lines" "$out"

# shellcheck disable=SC2086
out=$(for f in $c_files; do
  head -n 1 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' || echo "$f"
done)
[ -z "$out" ]
says $? "every C file names its licence in its first line" "$out"

# shellcheck disable=SC2086
out=$(shellcheck -S warning $scripts 2>&1)
says $? "shellcheck has nothing to say" "$out"

out=$(mandoc -T lint -W warning cgi/grafana-images.8 2>&1)
says $? "mandoc has nothing to say about the manual" "$out"

out=$(grep -rnE '\b(time\.)?sleep\(' tests --include='*.py' --include='*.c' |
  grep -v 'time.sleep(LOOK_SECONDS)')
[ -z "$out" ]
says $? "no test sleeps, but to look again soon" "$out"

[ "$(wc -l <Makefile)" -le 250 ]
says $? "the Makefile stays under 250 lines" "$(wc -l Makefile)"

echo "1..$n"
