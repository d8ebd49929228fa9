#!/bin/sh
# Says, as TAP, whether the documentation shows what its scripts print.
cd "$(dirname "$0")/../.." || exit 99
printed=$(python3 docs/scale-simulation.py)
shown=$(awk '/^<!-- end -->/ { on = 0 }
  on { print }
  /^<!-- python3 docs\/scale-simulation.py -->/ { on = 1 }' docs/scale.md | sed '1d;$d')
echo "1..1"
if [ -n "$printed" ] && [ "$printed" = "$shown" ]; then
  echo "ok 1 - docs/scale.md has the tables of scale-simulation.py"
else
  echo "not ok 1 - docs/scale.md has the tables of scale-simulation.py"
  echo "$printed" | sed 's/^/# /'
fi
