#!/bin/sh
# Says, as TAP, whether the documentation agrees with what it is about.
cd "$(dirname "$0")/../.." || exit 99

# report NUMBER SENTENCE WRONG: nothing in WRONG is good
report() {
  if [ -z "$3" ]; then
    echo "ok $1 - $2"
  else
    echo "not ok $1 - $2"
    echo "$3" | sed 's/^/# /'
  fi
}

printed=$(python3 docs/scale-simulation.py)
shown=$(awk '/^<!-- end -->/ { on = 0 }
  on { print }
  /^<!-- python3 docs\/scale-simulation.py -->/ { on = 1 }' docs/scale.md | sed '1d;$d')
wrong=
[ -n "$printed" ] && [ "$printed" = "$shown" ] || wrong="it prints: $printed"

missing=
# one word a line
# shellcheck disable=SC2013
for package in $(sed -n 's/^ *\([a-z0-9-]*-dev\),*$/\1/p' debian/control); do
  for file in README.md tests/deps; do
    grep -qw -e "$package" "$file" || missing="$missing $package in $file"
  done
done

echo "1..2"
report 1 "docs/scale.md has the tables of scale-simulation.py" "$wrong"
report 2 "the README and tests/deps name each library that the package is built with" "$missing"
