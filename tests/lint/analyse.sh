#!/bin/sh
# Says, as TAP, what three analysers say about src and cgi. What is switched off is
# wrong about C as it is written here, or about this code:
#
#   gcc: use after free, where it does not see that a counter is not 0 yet
#        (singleflight.c); leaks into a struct that it has lost sight of (settings.c)
#   clang-tidy: values of printf and the like; lengths without the NUL that memcmp
#        is given; products of small constants; parameters that could be swapped;
#        in cgi, getenv() and the like before there are threads; a pointer to a
#        pointer that is freed, or comes from calloc (Debian 13's)
#   cppcheck: Debian 13's does not see that a pointer is looked at one line on, and
#        says of each file that it could take longer
cd "$(dirname "$0")/../.." || exit 99

mkdir -p build/lint
flags="-std=c11 -D_GNU_SOURCE -Isrc -Icgi"
checks='-*,bugprone-*,cert-*,concurrency-*'
checks="$checks,-bugprone-easily-swappable-parameters"
checks="$checks,-bugprone-implicit-widening-of-multiplication-result"
checks="$checks,-bugprone-not-null-terminated-result"
checks="$checks,-bugprone-reserved-identifier,-cert-dcl37-c,-cert-dcl51-cpp"
checks="$checks,-cert-err33-c,-bugprone-multi-level-implicit-pointer-conversion"
checks="$checks,-bugprone-unused-return-value"
n=0

says() {
  n=$((n + 1))
  if [ -z "$2" ]; then
    echo "ok $n - $1"
  else
    echo "not ok $n - $1"
    echo "$2" | sed 's/^/# /'
  fi
}

# for each source of a folder, as many at once as there are cores
each() {
  sources=$1
  shift
  for source in $sources; do echo "$source"; done |
    xargs -P "$(nproc)" -I '{}' tests/lint/cached '{}' "$@" 2>&1 |
    grep -E '(warning|error):'
}

# shellcheck disable=SC2086
says "gcc -fanalyzer has nothing to say" "$(each 'src/*/*.c cgi/*.c cgi/*/*.c' gcc $flags -O1 -fanalyzer \
  -Wno-analyzer-use-after-free -Wno-analyzer-malloc-leak -S -o /dev/null '{}')"

# shellcheck disable=SC2086
says "clang-tidy has nothing to say about src" \
  "$(each 'src/*/*.c' clang-tidy --quiet --checks="$checks" '{}' -- $flags)"

# shellcheck disable=SC2086
says "clang-tidy has nothing to say about cgi" "$(each 'cgi/*.c cgi/*/*.c' clang-tidy --quiet \
  --checks="$checks,-concurrency-mt-unsafe" '{}' -- $flags)"

says "cppcheck has nothing to say" "$(cppcheck --quiet --std=c11 -j "$(nproc)" --cppcheck-build-dir=build/lint \
  --enable=warning,performance,portability --inline-suppr -Isrc -Icgi \
  --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches \
  --suppress=nullPointerOutOfMemory --suppress=nullPointerArithmeticOutOfMemory \
  --suppress=ctunullpointerOutOfMemory \
  --template=gcc src cgi 2>&1)"

echo "1..$n"
