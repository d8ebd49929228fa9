// SPDX-License-Identifier: Apache-2.0
//
// Loads hubot-grafana and our script before hubot takes the first command. external-scripts.json
// does not: hubot 14 lets it load whenever it is ready, and -e and the first lines are lost.
import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(import.meta.url);

export default async (robot) => {
  if (process.env.LIKE_7_2) require('./like-7.2.cjs');
  await robot.loadFile(path.dirname(require.resolve('hubot-grafana/src/grafana.js')), 'grafana.js');
  require('hubot-grafana-images')(robot);
};
