// SPDX-License-Identifier: Apache-2.0
//
// Makes hubot-grafana 7.0.3 do what matters to us as 7.2, which npm does not have: errors go
// through responder.sendError, questions through node's own fetch (whose errors are other ones),
// listeners wait for their answers, a search that fails is null, and rows are no panels.
const { Responder } = require('hubot-grafana/src/adapters/Responder.js');
const { Bot } = require('hubot-grafana/src/Bot.js');
const { GrafanaClient } = require('hubot-grafana/src/grafana-client.js');
const { GrafanaService } = require('hubot-grafana/src/service/GrafanaService.js');

Responder.prototype.sendError = (res, message) => { res.send(message); };

Bot.prototype.sendError = function sendError(message, context) {
  context.robot.logger.error(message);
  this.adapter.responder.sendError(context, message);
};

GrafanaClient.prototype.get = async function get(url) {
  const response = await fetch(`${this.host}/api/${url}`, {
    headers: { Accept: 'application/json', ...(this.apiKey && { Authorization: `Bearer ${this.apiKey}` }) },
  });
  await this.throwIfNotOk(response);
  return response.json();
};

GrafanaService.prototype.search = async function search(query, tag) {
  try {
    return await this.client.get(`search?${new URLSearchParams({ type: 'dash-db', query: query ?? '', tag: tag ?? '' })}`);
  } catch (err) {
    this.logger.error({ err });
    return null;
  }
};

const { getDashboard } = GrafanaService.prototype;
GrafanaService.prototype.getDashboard = async function getWithoutRows(uid) {
  const found = await getDashboard.call(this, uid);
  if (found?.dashboard?.panels) found.dashboard.panels = found.dashboard.panels.filter((p) => p.type !== 'row');
  return found;
};

