// Description:
//   Posts the panels of hubot-grafana as images that grafana-images saves
//
// Dependencies:
//   hubot-grafana
//
// Configuration:
//   HUBOT_USE_GRAFANA_IMAGES - "true" turns it on
//   HUBOT_GRAFANA_IMAGES_HOST - scheme://host[:port][/prefix] of grafana-images; default: the Grafana host
//   HUBOT_GRAFANA_IMAGES_TIMEOUT - seconds for one panel, a second try included (default 55, at most 600)
//
// Commands:
//   hubot graf help - Show how to ask for Grafana panels, with samples
//
// SPDX-License-Identifier: Apache-2.0
'use strict';

const post = require('./post');
const { sentence } = require('./sentences');

const AT_ONCE = 16; // panels: more would only wait in the service, whose max_renders is that
const SECONDS = 55; // more than the service takes at most, so that its own words arrive

const HELP = [
  ['list', 'all dashboards'],
  ['list production', 'those with a tag'],
  ['search web', 'those with a word in the name'],
  ['db UID', 'every panel of a dashboard (its address has the UID: /d/UID/)'],
  ['db UID:3', 'its third panel'],
  ['db UID:panel-8', 'the panel whose address says viewPanel=8 or panel-8'],
  ['db UID:cpu', 'the panels with "cpu" in the title'],
  ['db UID:cpu now-12h', 'from 12 hours ago until now'],
  ['db UID:cpu now-24h now-12h', 'from 24 until 12 hours ago'],
  ['db UID:cpu host=web-1', 'with a variable of the dashboard'],
  ['db UID:cpu width=1600 height=800', 'larger'],
  ['db UID kiosk', 'the whole dashboard, one image'],
  ['db UID:panel-8 now-24h now-12h host=web-1 width=1600 height=800 tz=Europe/Berlin', 'all in one'],
];

// Markdown that a title or an address must not end.
const label = (text) => text.replace(/[[\]\\]/g, '\\$&');
const target = (url) => url.replaceAll('(', '%28').replaceAll(')', '%29');

// What hubot-grafana has no format for: matching names of adapters, and the messages, one after another.
const FORMATS = [
  [/matter/i, (title, image, link) => // mattermost, matteruser
    [`![${label(title)}](${target(image)})\n[${label(title)}](${target(link)})`]],
  // The adapter uploads a message that begins with an address, so this alone shows the image.
  [/matrix/i, (title, image, link) => [image, `${title} - ${link}`]],
  // The adapter makes an Adaptive Card of a message that is JSON.
  [/teams/i, (title, image, link) => [JSON.stringify({
    type: 'AdaptiveCard',
    version: '1.4',
    body: [{ type: 'TextBlock', text: title, weight: 'Bolder', wrap: true },
      { type: 'Image', url: image, altText: title }],
    actions: [{ type: 'Action.OpenUrl', title: 'Open in Grafana', url: link }],
  })]],
];

// hubot-grafana does not wait for what it sends: a chat that refuses a message would end the process.
const guard = (res) => {
  const { send } = res;
  if (send.isGuarded) return res;
  res.send = async (...strings) => {
    try {
      return await send.apply(res, strings);
    } catch (err) {
      return res.robot.logger.error(`grafana-images: the chat did not take a message: ${err?.message}`);
    }
  };
  res.send.isGuarded = true;
  return res;
};

// Runs at most `most` jobs at one time. Conversations take turns, each first come, first served.
const limiter = (most) => {
  let running = 0;
  const waiting = new Map(); // conversation -> what starts its jobs; the next conversation is the first
  const next = () => {
    const [[key, jobs]] = waiting;
    waiting.delete(key);
    if (jobs.length > 1) waiting.set(key, jobs.slice(1));
    jobs[0]();
  };
  return async (key, job) => {
    if (running < most) running += 1;
    else { // gets the place of one that ends
      await new Promise((resolve) => waiting.set(key, [...(waiting.get(key) ?? []), resolve]));
    }
    try {
      return await job();
    } finally {
      if (waiting.size) next();
      else running -= 1;
    }
  };
};

// What is asked for in one conversation is said in that order, and waits for no other: a thread, a room, or
// the private messages of one person. Those have no room in some chats, and hubot itself in others.
const conversationOf = (res) => {
  const { room, user } = res.envelope;
  const isPrivate = [undefined, null, '', res.robot.name].includes(room);
  const thread = res.message?.thread_ts ?? res.message?.rawMessage?.thread_ts;
  return JSON.stringify([isPrivate ? [user?.id ?? user?.name] : room, thread]);
};

// hubot-grafana links to a panel as Grafana up to 6 had it.
const modern = (link) => link.replace(/([?&])panelId=/, '$1viewPanel=').replace(/&fullscreen=?(?=[&#]|$)/, '');

const hide = (text, token) => (token ? `${text}`.replaceAll(token, '(token)') : `${text}`);

// Where hubot-grafana gets no answer from Grafana, it says nothing, or "check your logs", or 7.0.3 ends
// the process. This says why.
const explain = (service, res) => {
  const { client } = service;
  const { get } = client;
  let why;
  client.get = async (url) => {
    try {
      return await get.call(client, url);
    } catch (err) {
      why = err.code ?? err.cause?.code ?? err.message;
      throw err;
    }
  };
  const failure = () => hide(`Grafana (${client.host}) does not answer hubot as it should: `
    + `${`${why ?? 'for no known reason'}`.replace(/\.$/, '')}. Is it running, and is the token right `
    + '(HUBOT_GRAFANA_API_KEY, `graf set api_key`)?', client.apiKey);
  const { getDashboard } = service;
  service.getDashboard = async (uid) =>
    (await getDashboard.call(service, uid)) ?? { message: `${failure()} ${client.host}/d/${uid}` };
  for (const [name, nothing] of [['search', null], ['queryAlerts', null], ['pauseAllAlerts', { total: 0 }]]) {
    const ask = service[name];
    service[name] = async (...args) => {
      const found = await ask.apply(service, args).catch(() => null);
      if (found === null) res.send(failure());
      return found ?? nothing;
    };
  }
  return service;
};

const connect = (robot) => {
  // As the bot has it: this file may be a link to a folder outside of the bot's.
  const grafana = (file) =>
    require(require.resolve(`hubot-grafana/src/${file}`, { paths: [process.cwd(), __dirname] }));
  const { Adapter, setResponder } = grafana('adapters/Adapter.js');
  const { Bot } = grafana('Bot.js');
  const platform = new Adapter(robot).responder; // taken before ours is set
  if (platform.isGrafanaImages) return; // loaded twice, as a script and as a package
  const bot = new Bot(robot);
  const format = FORMATS.find(([name]) => name.test(robot.adapterName))?.[1];
  const wanted = Number(process.env.HUBOT_GRAFANA_IMAGES_TIMEOUT || SECONDS);
  const seconds = wanted > 0 && wanted <= 600 ? wanted : SECONDS;
  if (seconds !== wanted) {
    robot.logger.error(`grafana-images: HUBOT_GRAFANA_IMAGES_TIMEOUT is not 1 to 600: ${SECONDS} it is`);
  }
  const limited = limiter(AT_ONCE);
  const conversations = new Map(); // conversation -> the last that is to be said there

  const say = async (res, title, image, link) => {
    if (format) {
      for (const message of format(title, image, link)) await res.send(message);
      return;
    }
    let sent;
    const watched = Object.create(res, { send: { value: (...strings) => (sent = res.send(...strings)) } });
    try {
      platform.send(watched, title, image, link); // does not tell when it has sent
    } catch (err) { // BearyChat's always, Slack's with threads where a message has none
      robot.logger.error(`grafana-images: hubot-grafana has no message for this chat: ${err?.message}`);
      sent = res.send(`${title}: ${image} - ${link}`);
    }
    await sent;
  };

  const send = (context, name, imageUrl, oldLink) => {
    const res = guard(context);
    const title = name || 'Panel';
    const link = modern(oldLink);
    const client = bot.createService(res)?.client; // the room's, where rooms have their own
    if (!client) return undefined; // said already
    const base = (process.env.HUBOT_GRAFANA_IMAGES_HOST || client.host).replace(/\/+$/, '');
    const key = conversationOf(res);
    const asked = limited(key, () => post(base, client.apiKey, imageUrl, seconds));
    const said = (conversations.get(key) ?? Promise.resolve()).then(async () => {
      const { pubImg, panel, outcome, detail } = await asked;
      if (pubImg) return say(res, title, pubImg, panel ?? link);
      const log = `grafana-images: ${outcome} ${JSON.stringify(detail ?? '')}`;
      robot.logger.error(hide(log, client.apiKey).slice(0, 300));
      return res.send(`${title}: ${sentence(outcome)} ${link}`);
    }).catch((err) => robot.logger.error(`grafana-images: ${err?.message}`));
    conversations.set(key, said);
    return said.then(() => conversations.get(key) === said && conversations.delete(key));
  };
  setResponder({ isGrafanaImages: true, send, sendError: (res, message) => guard(res).send(`${message}`) });

  // Else Slack, Rocket.Chat, Telegram and S3 get an upload and never come here.
  Adapter.prototype.isUploadSupported = () => false;
  const { createService, sendError, sendDashboardChartFromString } = Bot.prototype;
  Bot.prototype.sendError = function (message, res) {
    return sendError.call(this, message, guard(res));
  };
  Bot.prototype.createService = function (res) {
    const service = createService.call(this, guard(res));
    return service && explain(service, res);
  };
  Bot.prototype.sendDashboardChartFromString = async function (res, ...args) {
    try {
      return await sendDashboardChartFromString.call(this, res, ...args);
    } catch (err) {
      return this.sendError(`hubot-grafana does not understand this dashboard (${err.message}).`, res);
    }
  };
};

module.exports = (robot) => {
  const me = robot.alias || robot.name;
  const samples = HELP.map(([sample, what]) => `${me} graf ${sample} - ${what}`);
  robot.respond(/(?:grafana|graph|graf) help\s*$/i, (res) =>
    guard(res).send(['Ask for Grafana panels like this:', ...samples].join('\n')));
  if (process.env.HUBOT_USE_GRAFANA_IMAGES !== 'true') return;
  try {
    connect(robot);
  } catch (err) { // hubot 14 does not catch what a package throws
    robot.logger.error(`grafana-images: is hubot-grafana 7 installed? ${err.message.split('\n')[0]}`);
  }
};
